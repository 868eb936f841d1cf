"""An OpenAI-compatible model that costs nothing: /openai/v1/chat/completions, /moderations, /models.

It answers in the schema that it is given (structured outputs), with simple but sensible values, so that everything
around a model can be seen working. Faults: refusal, malformed JSON, rate limit, quota, time-outs and all that the
platforms have too.
"""

import json
import re
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.call import Call, Operation, reply
from postprober.sandbox.openai_manner import OpenAiManner, out_of_quota, problem
from postprober.sandbox.world import World

Json = dict[str, Any]
MODEL = "sandbox-model"
CATEGORIES = (
    "hate", "hate/threatening", "harassment", "harassment/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip  # specs/openai.yaml CreateModerationResponse
_VIOLENT = re.compile(r"\b(?:kill|shoot|stab|bomb)\b", re.IGNORECASE)
_HOSTILE = re.compile(r"\b(?:hate|stupid people|idiots)\b", re.IGNORECASE)
_CHARS_PER_TOKEN = 4
# What the model takes a failed delivery for: words of its last try, then the cause and the fix out of the given sets.
_FAILURES = (
    (r"duplicate|same text", "duplicate", "ask_person"),
    (r"character limit|too long|graphemes", "text_too_long", "split_thread"),
    (r"expired|session has ended", "token_expired", "refresh_token"),
    (r"too many requests|rate limit|asks to wait", "rate_limited", "wait_until"),
    (r"could not be processed", "media_format", "reencode_media"),
    (r"could not be reached|fault|unavailable", "platform_down", "wait_until"),
)


def routes(world: World, manner: OpenAiManner) -> list[BaseRoute]:
    async def complete(call: Call) -> Response:
        return _complete(call, manner)

    async def moderate(call: Call) -> Response:
        return _moderate(call, manner)

    async def models(call: Call) -> Response:
        manner.check_key(call)
        one = {"id": MODEL, "object": "model", "created": int(call.at), "owned_by": "postprober-sandbox"}
        return reply({"object": "list", "data": [one]})

    return [
        Operation(world, manner, "model", complete, needs_token=False).route("/openai/v1/chat/completions", "POST"),
        Operation(world, manner, "moderation", moderate, needs_token=False).route("/openai/v1/moderations", "POST"),
        Operation(world, manner, "me", models, needs_token=False).route("/openai/v1/models", "GET"),
    ]


def _complete(call: Call, manner: OpenAiManner) -> Response:
    manner.check_key(call)
    if call.take("model_quota"):
        raise out_of_quota()
    asked = call.json()
    messages = asked.get("messages") if isinstance(asked, dict) else None
    if not isinstance(messages, list) or not messages or not isinstance(asked.get("model"), str):
        raise problem(400, "'messages' and 'model' are required", "invalid_request_error")
    schema = _schema(asked)
    content: str | None
    refusal: str | None = None
    if call.take("model_refuses"):
        content, refusal = None, "I'm sorry, I cannot help with that."
    elif call.take("model_malformed"):
        content = '{"verdict": "appropr'
    elif schema is None:
        content = "The sandbox's model answers in JSON schemas only."
    else:
        content = json.dumps(_value(schema, schema, "", _data(messages)), ensure_ascii=False)
    return reply(_completion(call, asked, content, refusal))


def _completion(call: Call, asked: Json, content: str | None, refusal: str | None) -> Json:
    used = len(json.dumps(asked["messages"])) // _CHARS_PER_TOKEN, len(content or refusal or "") // _CHARS_PER_TOKEN + 1
    return {
        "id": f"chatcmpl-{call.seq}",
        "object": "chat.completion",
        "created": int(call.at),
        "model": asked["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
            }
        ],
        "usage": {"prompt_tokens": used[0], "completion_tokens": used[1], "total_tokens": sum(used)},
    }


def _schema(asked: Json) -> Json | None:
    wanted = asked.get("response_format")
    named = wanted.get("json_schema") if isinstance(wanted, dict) else None
    schema = named.get("schema") if isinstance(named, dict) else None
    return schema if isinstance(schema, dict) else None


def _data(messages: list[Any]) -> Json:
    """The question's JSON; {} when the last message is something else."""
    last = messages[-1].get("content") if isinstance(messages[-1], dict) else ""
    try:
        data = json.loads(last) if isinstance(last, str) else {}
    except ValueError:
        data = {}
    return data if isinstance(data, dict) else {}


def _value(schema: Json, root: Json, name: str, data: Json) -> Any:
    """A value that fits the schema; what a property is called says what would make sense."""
    if "$ref" in schema:
        return _value(root["$defs"][schema["$ref"].rpartition("/")[2]], root, name, data)
    if name == "rewrites":
        return _rewrites(data)
    if name == "verdict":
        return "flagged" if _HOSTILE.search(_texts(data)) else "appropriate"
    if name in ("cause", "fix"):
        return _taken_for(data)[name]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {key: _value(sub, root, key, data) for key, sub in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema["items"], root, name, data)]
    if kind in ("number", "integer"):
        return 0.8 if kind == "number" else 0
    if kind == "boolean":
        return False
    return "The sandbox's model has looked at it and has nothing more to say."


def _taken_for(data: Json) -> Json:
    told = json.dumps([data.get("reason", ""), (data.get("tries") or [""])[-1]]).lower()
    for words, cause, fix in _FAILURES:
        if re.search(words, told):
            return {"cause": cause, "fix": fix}
    return {"cause": "unknown", "fix": "ask_person"}


def _texts(data: Json) -> str:
    targets = data.get("targets") or []
    return "\n".join(text for target in targets for text in target.get("texts", ()))


def _rewrites(data: Json) -> list[Json]:
    """The sentence with a question first, where there is one: a rewrite that keeps every word."""
    made = []
    for target in data.get("targets") or []:
        texts = target.get("texts") or []
        sentences = re.split(r"(?<=[.!?])\s+", texts[0]) if len(texts) == 1 else []
        asked = next((s for s in sentences[1:] if s.endswith("?")), None)
        if asked:
            rest = " ".join(s for s in sentences if s != asked)
            made.append(
                {
                    "target": target.get("target", 0), "kind": "hook", "texts": [f"{asked}\n\n{rest}"],
                    "reason": "A question at the top makes people stop.", "confidence": 0.7,
                }
            )  # fmt: skip
    return made


def _moderate(call: Call, manner: OpenAiManner) -> Response:
    manner.check_key(call)
    if call.take("model_quota"):
        raise out_of_quota()
    asked = call.json()
    given = asked.get("input") if isinstance(asked, dict) else None
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else None
    if texts is None:
        raise problem(400, "'input' is required", "invalid_request_error")
    results = [_judged(text if isinstance(text, str) else json.dumps(text)) for text in texts]
    return reply({"id": f"modr-{call.seq}", "model": "omni-moderation-latest", "results": results})


def _judged(text: str) -> Json:
    hits = {"violence": bool(_VIOLENT.search(text)), "hate": bool(_HOSTILE.search(text))}
    return {
        "flagged": any(hits.values()),
        "categories": {name: hits.get(name, False) for name in CATEGORIES},
        "category_scores": {name: 0.97 if hits.get(name) else 0.0001 for name in CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }
