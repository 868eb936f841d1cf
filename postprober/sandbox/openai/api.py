"""An OpenAI-compatible model that costs nothing: /openai/v1/chat/completions, /moderations, /models.

It answers in the schema that it is given (structured outputs), with simple but sensible values, so that everything
around a model can be seen working. At the addresses of `local_servers` it answers as those do. Faults: refusal, malformed JSON, rate limit, quota, time-outs and all that the
platforms have too.
"""

import json
import re
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.openai.dialect import OpenAiDialect, out_of_quota, problem
from postprober.sandbox.openai.local_servers import LOCAL_SERVERS, LocalServer
from postprober.sandbox.openai.sight import sight

Json = dict[str, Any]
MODEL = "sandbox-model"
CATEGORIES = (
    "hate",
    "hate/threatening",
    "harassment",
    "harassment/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)  # CreateModerationResponse of OpenAI's OpenAPI document: agent/facts.md, 3
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


def routes(world: World, dialect: OpenAiDialect) -> list[BaseRoute]:
    async def complete(call: Call) -> Response:
        return _complete(call, dialect)

    async def respond(call: Call) -> Response:
        return _respond(call, dialect)

    async def moderate(call: Call) -> Response:
        return _moderate(call, dialect)

    async def models(call: Call) -> Response:
        dialect.check_key(call)
        one = {"id": MODEL, "object": "model", "created": int(call.at), "owned_by": "postprober-sandbox"}
        return reply({"object": "list", "data": [one]})

    return [
        *(route for server in LOCAL_SERVERS for route in _local_routes(world, dialect, server)),
        Operation(world, dialect, "model", complete, needs_token=False).route("/openai/v1/chat/completions", "POST"),
        Operation(world, dialect, "model", respond, needs_token=False).route("/openai/v1/responses", "POST"),
        Operation(world, dialect, "moderation", moderate, needs_token=False).route("/openai/v1/moderations", "POST"),
        Operation(world, dialect, "me", models, needs_token=False).route("/openai/v1/models", "GET"),
    ]


def _local_routes(world: World, dialect: OpenAiDialect, server: LocalServer) -> list[BaseRoute]:
    async def complete(call: Call) -> Response:
        return _complete(call, dialect, server)

    async def moderate(call: Call) -> Response:
        return server.moderations()

    base = f"/{server.name}/v1"
    return [
        Operation(world, dialect, "model", complete, needs_token=False).route(f"{base}/chat/completions", "POST"),
        Operation(world, dialect, "moderation", moderate, needs_token=False).route(f"{base}/moderations", "POST"),
    ]


def _asked(call: Call, dialect: OpenAiDialect, server: LocalServer | None = None) -> Json:
    """The question of a caller who may ask; {} when it is no object."""
    if server is None:
        dialect.check_key(call)
    if call.take("model_quota"):
        raise out_of_quota()
    asked = call.json()
    return asked if isinstance(asked, dict) else {}


def _complete(call: Call, dialect: OpenAiDialect, server: LocalServer | None = None) -> Response:
    asked = _asked(call, dialect, server)
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(asked.get("model"), str):
        raise problem(400, "'messages' and 'model' are required", "invalid_request_error")
    if server is not None and (not_understood := server.asked(asked)):
        raise not_understood
    content, refusal = _said(call, _schema(asked) or _schema_in_words(messages), messages)
    if server is not None and content is not None:
        content = server.worded(content)
    whole = _completion(call, asked, content, refusal)
    if server is not None:
        whole = server.finished(whole)
    return _streamed(whole, asked) if asked.get("stream") else reply(whole)


def _said(call: Call, schema: Json | None, messages: list[Any]) -> tuple[str | None, str | None]:
    """(content, refusal), one of them None."""
    if call.take("model_refuses"):
        return None, "I'm sorry, I cannot help with that."
    if call.take("model_malformed"):
        return '{"verdict": "appropr', None
    if schema is None:
        return "The sandbox's model answers in JSON schemas only.", None
    return json.dumps(_value(schema, schema, "", _data(messages)), ensure_ascii=False), None


def _streamed(whole: Json, asked: Json) -> Response:
    """The same answer as server-sent events, a few words at a time; the usage in a last chunk where it is asked for."""
    message = whole["choices"][0]["message"]
    text, name = (message["content"], "content") if message["content"] is not None else (message["refusal"], "refusal")
    pieces = re.findall(r"\S+\s*", text) or [""]
    base = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return base | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    chunks = [chunk({"role": "assistant", name: ""}), *(chunk({name: piece}) for piece in pieces), chunk({}, "stop")]
    if (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append(base | {"choices": [], "usage": whole["usage"]})
    body = "".join(f"data: {json.dumps(one, ensure_ascii=False)}\n\n" for one in chunks) + "data: [DONE]\n\n"
    return Response(body, headers={"cache-control": "no-cache"}, media_type="text/event-stream")


def _respond(call: Call, dialect: OpenAiDialect) -> Response:
    """The newer endpoint, /v1/responses: the same answers in its own form."""
    asked = _asked(call, dialect)
    given = asked.get("input")
    if not given or not isinstance(asked.get("model"), str):
        raise problem(400, "'input' and 'model' are required", "invalid_request_error")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    wanted = (asked.get("text") or {}).get("format") or {}
    schema = wanted.get("schema") if wanted.get("type") == "json_schema" else None
    content, refusal = _said(call, schema, messages)
    part = (
        {"type": "refusal", "refusal": refusal}
        if content is None
        else {
            "type": "output_text",
            "text": content,
            "annotations": [],
            "logprobs": [],
        }
    )
    spent = len(json.dumps(messages)) // _CHARS_PER_TOKEN, len(content or refusal or "") // _CHARS_PER_TOKEN + 1
    return reply(
        {
            "id": f"resp_{call.seq}",
            "object": "response",
            "created_at": int(call.at),
            "status": "completed",
            "model": asked["model"],
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "output": [
                {
                    "id": f"msg_{call.seq}",
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [part],
                }
            ],
            "usage": {
                "input_tokens": spent[0],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": spent[1],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": sum(spent),
            },
        }
    )


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


_IN_WORDS = re.compile(r"JSON schema, and nothing else: (?=\{)")


def _schema_in_words(messages: list[Any]) -> Json | None:
    """The schema that the first message asks for, where it stands at its end."""
    first = messages[0].get("content") if isinstance(messages[0], dict) else None
    parts = _IN_WORDS.split(first) if isinstance(first, str) else []
    try:
        schema = json.loads(parts[-1]) if len(parts) > 1 else None
    except ValueError:
        return None
    return schema if isinstance(schema, dict) else None


def _data(messages: list[Any]) -> Json:
    """The question's JSON, with what is seen in its picture; {} when the last message is something else."""
    last = messages[-1].get("content") if isinstance(messages[-1], dict) else ""
    if isinstance(last, list):
        parts = [part for part in last if isinstance(part, dict)]
        text = next((part.get("text") for part in parts if part.get("type") == "text"), "")
        seen = [sight(part.get("image_url")) for part in parts if part.get("type") == "image_url"]
        return {**_data([{"content": text}]), "seen": " ".join(filter(None, seen))}
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
    if name == "sentence" and data.get("seen"):
        return data["seen"]
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
                    "target": target.get("target", 0),
                    "kind": "hook",
                    "texts": [f"{asked}\n\n{rest}"],
                    "reason": "A question at the top makes people stop.",
                    "confidence": 0.7,
                }
            )
    return made


def _moderate(call: Call, dialect: OpenAiDialect) -> Response:
    given = _asked(call, dialect).get("input")
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
