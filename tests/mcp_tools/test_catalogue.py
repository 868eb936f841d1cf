"""What a model is told: small, plain, and true."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from postprober.mcp.catalogue import TOOLS
from postprober.mcp.prompts import PROMPTS
from postprober.mcp.server import INSTRUCTIONS, listed

MOST_BYTES = 12_000


def test_the_whole_catalogue_is_small() -> None:
    told = [listed(tool).model_dump(by_alias=True, exclude_none=True) for tool in TOOLS]
    assert len(json.dumps(told).encode()) < MOST_BYTES


def test_the_tools_are_these() -> None:
    """A model's person gives leave to tools by name, so a new one, or another meaning of one, is a decision."""
    found = {tool.name: ("reads" if tool.reads else "destroys" if tool.destroys else "writes") for tool in TOOLS}
    assert found == {
        "list_accounts": "reads",
        "limits_and_options": "reads",
        "preflight": "reads",
        "create_draft": "writes",
        "update_draft": "writes",
        "list_posts": "reads",
        "get_post": "reads",
        "next_slot": "reads",
        "propose_post": "writes",
        "cancel_post": "destroys",
        "retry_delivery": "writes",
        "wait_for_proof": "reads",
        "upload_from_url": "writes",
        "request_upload": "writes",
        "finish_upload": "reads",
        "explain_failure": "reads",
    }
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_each_says_in_one_plain_sentence_what_it_does(tool: object) -> None:
    shown = listed(tool)  # type: ignore[arg-type]
    assert shown.description is not None and re.fullmatch(r"[A-Z][^.!?]*[.]", shown.description), shown.description
    assert len(shown.description) <= 100 and shown.title and shown.annotations is not None
    for schema in (shown.input_schema, shown.output_schema):
        Draft202012Validator.check_schema(schema)
    assert shown.input_schema["additionalProperties"] is False


def test_every_prompt_names_tools_that_there_are() -> None:
    names = {tool.name for tool in TOOLS}
    for prompt in PROMPTS:
        used = set(re.findall(r"`(\w+)`", prompt.text))
        assert used and used <= names, used - names
        assert set(re.findall(r"\{(\w+)\}", prompt.text)) == set(prompt.asks)


def test_the_instructions_say_who_publishes() -> None:
    assert "a person" in INSTRUCTIONS and len(INSTRUCTIONS) < 400
