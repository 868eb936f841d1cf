"""The OpenAI-compatible server: every reply fits the official schemas, and each fault is what it says."""

import json
from functools import cache
from typing import Any

import httpx2
import pytest
import yaml
from jsonschema import Draft202012Validator

from postprober.sandbox.control.client import Control
from tests.sandbox.contracts import error_rows
from tests.specifications import SPECS

KEY = {"Authorization": "Bearer sk-sandbox"}
SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["appropriate", "flagged"]},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "confidence": {"type": "number"},
    },
    "required": ["verdict", "reasons", "confidence"],
    "additionalProperties": False,
}
ASKED: dict[str, Any] = {
    "model": "sandbox-model",
    "messages": [{"role": "user", "content": json.dumps({"targets": [{"target": 0, "texts": ["Hello. Why not?"]}]})}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "R", "strict": True, "schema": SCHEMA}},
}


@cache
def _components() -> dict[str, Any]:
    document = yaml.safe_load((SPECS / "openai.yaml").read_text())
    components: dict[str, Any] = document["components"]
    return components


def check(name: str, body: Any) -> None:
    """Fail with every violation of the schema `name`."""
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": _components()})
    assert [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(body)] == []


def ask(http: httpx2.Client, body: Any = None, headers: dict[str, str] = KEY) -> httpx2.Response:
    return http.post("/openai/v1/chat/completions", json=ASKED if body is None else body, headers=headers)


def test_a_completion_fits_the_official_schema_and_the_one_that_was_asked_for(http: httpx2.Client) -> None:
    body = ask(http).json()
    check("CreateChatCompletionResponse", body)
    content = json.loads(body["choices"][0]["message"]["content"])
    assert list(Draft202012Validator(SCHEMA).iter_errors(content)) == []
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"] > 0


def test_the_check_sees_a_reply_that_does_not_fit(http: httpx2.Client) -> None:
    body = ask(http).json()
    del body["choices"][0]["logprobs"]
    with pytest.raises(AssertionError, match="logprobs"):
        check("CreateChatCompletionResponse", body)


@pytest.mark.parametrize(("text", "flagged"), [("A quiet day", False), ("I will kill them", True)])
def test_a_moderation_fits_the_official_schema_and_sees_violence(http: httpx2.Client, text: str, flagged: bool) -> None:
    body = http.post("/openai/v1/moderations", json={"input": [text, "Hello"]}, headers=KEY).json()
    check("CreateModerationResponse", body)
    assert [result["flagged"] for result in body["results"]] == [flagged, False]


def test_the_list_of_models_fits_the_official_schema(http: httpx2.Client) -> None:
    body = http.get("/openai/v1/models", headers=KEY).json()
    check("ListModelsResponse", body)
    assert body["data"][0]["id"] == "sandbox-model"


def test_a_refusal_is_a_complete_reply_without_content(http: httpx2.Client, control: Control) -> None:
    control.fault("openai", "model_refuses")
    body = ask(http).json()
    check("CreateChatCompletionResponse", body)
    message = body["choices"][0]["message"]
    assert message["content"] is None and message["refusal"]


def test_a_malformed_answer_is_a_good_reply_around_broken_json(http: httpx2.Client, control: Control) -> None:
    control.fault("openai", "model_malformed")
    body = ask(http).json()
    check("CreateChatCompletionResponse", body)
    with pytest.raises(ValueError):
        json.loads(body["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    ("kind", "options", "status", "code", "kind_of_error"),
    [
        ("rate_limited", {}, 429, "rate_limit_exceeded", "requests"),
        ("model_quota", {}, 429, "insufficient_quota", "insufficient_quota"),
        ("error_before_accept", {}, 500, None, "server_error"),
        ("error_before_accept", {"params": {"status": 503}}, 503, None, "server_error"),
        ("unauthorized", {}, 401, "invalid_api_key", "invalid_request_error"),
    ],
)
def test_each_error_has_the_documented_status_code_and_type(
    http: httpx2.Client,
    control: Control,
    kind: str,
    options: dict[str, Any],
    status: int,
    code: str | None,
    kind_of_error: str,
) -> None:
    control.fault("openai", kind, **options)
    reply = ask(http)
    check("ErrorResponse", reply.json())
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["type"]) == (status, code, kind_of_error)
    told = {(row["status"], row["body"]["error"]["code"]) for row in error_rows("other_errors.json")["openai"]}
    assert (status, code) in told
    assert ask(http).status_code == 200, "a fault acts once"


@pytest.mark.parametrize("key", ["", "Bearer nonsense", "Bearer sk-invalid"])
@pytest.mark.parametrize("path", ["chat/completions", "moderations", "models"])
def test_nobody_asks_without_a_key(http: httpx2.Client, key: str, path: str) -> None:
    method = "GET" if path == "models" else "POST"
    reply = http.request(method, f"/openai/v1/{path}", headers={"Authorization": key} if key else {}, json={})
    assert reply.status_code == 401
    check("ErrorResponse", reply.json())


@pytest.mark.parametrize("body", [{}, {"messages": []}, [], {"model": "m", "messages": "hello"}])
def test_a_question_without_messages_is_refused_in_the_documented_form(http: httpx2.Client, body: Any) -> None:
    reply = ask(http, body)
    assert reply.status_code == 400
    check("ErrorResponse", reply.json())
