"""Servers for one's own machine that speak OpenAI's API in part: what each lacks, and how its answers look.

The same model answers at /ollama/v1, /lmstudio/v1 and /vllm/v1, without a key. agent/facts.md, 8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from postprober.sandbox.engine.operation import ApiRefusal, reply

Json = dict[str, Any]


@dataclass(frozen=True)
class LocalServer:
    """`moderations()`: what its address for moderation answers; `asked(question)`: refuses what it does not understand;
    `worded(content)`: how its model writes the answer; `finished(body)`: what it adds to the reply, or leaves out."""

    name: str
    moderations: Callable[[], Response]
    asked: Callable[[Json], ApiRefusal | None]
    worded: Callable[[str], str]
    finished: Callable[[Json], Json]


def _has_picture(question: Json) -> bool:
    contents = [one.get("content") for one in question["messages"] if isinstance(one, dict)]
    return any(
        isinstance(part, dict) and part.get("type") == "image_url"
        for content in contents
        if isinstance(content, list)
        for part in content
    )


def _form(question: Json) -> str:
    wanted = question.get("response_format")
    return str(wanted.get("type")) if isinstance(wanted, dict) else ""


# Ollama: its router knows no such address; models that see take pictures; small models like fences.


def _ollama_finished(body: Json) -> Json:
    return body | {"system_fingerprint": "fp_ollama"}


OLLAMA = LocalServer(
    "ollama",
    lambda: Response("404 page not found", 404, media_type="text/plain"),
    lambda _question: None,
    lambda content: f"```json\n{content}\n```",
    _ollama_finished,
)


# LM Studio: unknown addresses are a 200 with an error in it; errors are a bare sentence; models think aloud.


def _lmstudio_asked(question: Json) -> ApiRefusal | None:
    if _form(question) not in ("", "json_schema", "text"):
        return ApiRefusal(400, {"error": "'response_format.type' must be 'json_schema' or 'text'"})
    if _has_picture(question):
        return ApiRefusal(400, {"error": "Model does not support images. Please use a model that does."})
    return None


LM_STUDIO = LocalServer(
    "lmstudio",
    lambda: reply({"error": "Unexpected endpoint or method. (POST /v1/moderations)"}),
    _lmstudio_asked,
    lambda content: (
        f"<think>\nThey want {{an object}}. I look at the text.\n</think>\n\nHere is the answer:\n{_comma(content)}"
    ),
    lambda body: (
        body | {"stats": {}, "usage": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}}
    ),
)


# vLLM: FastAPI's 404; some JSON schemas are more than its grammar knows; usage and reasoning are there.


def _vllm_error(message: str) -> ApiRefusal:
    return ApiRefusal(
        400, {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400}
    )


def _vllm_asked(question: Json) -> ApiRefusal | None:
    if _has_picture(question):
        return _vllm_error("At most 0 image(s) may be provided in one request.")
    if _form(question) == "json_schema":
        return _vllm_error("The provided JSON schema contains features not supported by xgrammar.")
    return None


def _vllm_finished(body: Json) -> Json:
    for choice in body["choices"]:
        choice["message"] |= {"reasoning_content": None, "tool_calls": []}
    return body | {"prompt_logprobs": None, "kv_transfer_params": None}


VLLM = LocalServer(
    "vllm", lambda: reply({"detail": "Not Found"}, 404), _vllm_asked, lambda content: content, _vllm_finished
)

LOCAL_SERVERS = (OLLAMA, LM_STUDIO, VLLM)


def _comma(content: str) -> str:
    """The object with a comma too many, and a field that nobody asked for."""
    return f'{content[:-1]}, "notes": ["none",],}}' if content.endswith("}") and len(content) > 2 else content
