"""The platforms' error bodies, and checking replies against X's specification."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

from tests.specifications import SPECS, elsewhere

X_SPECS = {"new": "x_openapi_2.167.json", "legacy": "x_openapi_2.166_legacy_names.json"}


def error_rows(name: str) -> Any:
    return json.loads((SPECS / "errors" / name).read_text())


@cache
def x_spec(dialect: str, strict: bool = False) -> dict[str, Any]:
    """The OpenAPI document with `nullable` made plain JSON Schema; `strict` allows no property it does not name."""
    document: dict[str, Any] = json.loads(elsewhere(X_SPECS[dialect]).read_text())
    document["components"]["schemas"] = _plain(document["components"]["schemas"], strict)
    return document


def _plain(schema: Any, strict: bool) -> Any:
    if isinstance(schema, list):
        return [_plain(part, strict) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(part, strict) for name, part in schema.items()}
    if plain.pop("nullable", False) is True and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
    if strict and isinstance(plain.get("properties"), dict):
        plain.setdefault("additionalProperties", False)
    return plain


def check(dialect: str, schema: dict[str, Any], body: Any, *, strict: bool = False) -> None:
    """Fail the test with every violation of the schema."""
    document = x_spec(dialect, strict)
    validator = Draft4Validator({**schema, "components": document["components"]}, format_checker=FormatChecker())
    problems = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(body)]
    assert problems == [], f"{dialect}: {problems}"


def reply_schema(dialect: str, method: str, path: str) -> dict[str, Any]:
    """The schema of the success reply of an operation."""
    replies = x_spec(dialect)["paths"][path][method]["responses"]
    success = next(reply for status, reply in replies.items() if status.startswith("2"))
    schema: dict[str, Any] = success["content"]["application/json"]["schema"]
    return schema


def request_schema(dialect: str, method: str, path: str) -> dict[str, Any]:
    body = x_spec(dialect)["paths"][path][method]["requestBody"]["content"]["application/json"]
    schema: dict[str, Any] = body["schema"]
    return schema
