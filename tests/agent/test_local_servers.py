"""The sandbox's Ollama, LM Studio and vLLM: without a key, with what they lack, and with their odd answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from postprober.agent.advisor import Advisor
from postprober.agent.model_client import UNOFFERED, ModelClient
from postprober.clock import ManualClock
from postprober.domain.advice import RULES
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.http import HttpClient, Pools
from postprober.sandbox.openai.local_servers import LOCAL_SERVERS
from postprober.sandbox.serve import SandboxServer
from tests.agent.agent_kit import Purse, brief, evidence, picture

TEXT = "We have built a bridge of 300 metres in Oslo. Who builds bridges of wood today?"
NAMES = [one.name for one in LOCAL_SERVERS]


def client(sandbox: SandboxServer, name: str, purse: Purse | None = None, **more: Any) -> ModelClient:
    http = HttpClient(Pools(allow_private=True, timeout=5.0))
    clock = more.pop("clock", ManualClock())
    return ModelClient(http, clock, purse or Purse(), "any-model", "", f"{sandbox.url}/{name}/v1", 5.0, **more)


def asked(sandbox: SandboxServer, operation: str = "model") -> list[int]:
    """The statuses of what was asked, in order."""
    return [row["status"] for row in sandbox.control.log(platform="openai") if row["operation"] == operation]


@pytest.mark.parametrize("name", NAMES)
def test_reviews_suggestions_and_diagnoses_work_without_a_key(sandbox: SandboxServer, name: str) -> None:
    advisor = Advisor(client(sandbox, name))
    reviewed = advisor.review(brief(TEXT))
    assert (reviewed.review.verdict, reviewed.note, reviewed.incomplete) == ("appropriate", "", False)
    assert "model any-model" in reviewed.review.by
    advice = advisor.advise(brief(TEXT))
    assert advice.note == "" and not advice.incomplete
    assert [s.kind for s in advice.suggestions if s.by != RULES] == ["hook"]
    about = evidence(Platform("mastodon"), 422, '{"error": "Validation failed: Text character limit of 300 exceeded"}')
    assert advisor.diagnose(about).by == "model any-model and rules"


@pytest.mark.parametrize("name", NAMES)
def test_what_it_objects_to_is_flagged(sandbox: SandboxServer, name: str) -> None:
    told = Advisor(client(sandbox, name)).review(brief("I hate these stupid people"))
    assert told.review.verdict == "flagged", "by the chat: none of them moderates"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_not_asked_to_moderate_again_for_an_hour(sandbox: SandboxServer, name: str) -> None:
    clock = ManualClock()
    advisor = Advisor(client(sandbox, name, clock=clock))
    for _ in range(3):
        assert not advisor.review(brief(TEXT)).incomplete
    assert len(asked(sandbox, "moderation")) == 1
    clock.advance(UNOFFERED + 1)
    advisor.review(brief(TEXT))
    assert len(asked(sandbox, "moderation")) == 2


def test_where_structured_outputs_are_not_understood_the_form_is_asked_for_in_words(sandbox: SandboxServer) -> None:
    clock, purse = ManualClock(), Purse()
    advisor = Advisor(client(sandbox, "vllm", purse, clock=clock))
    advisor.review(brief(TEXT))
    assert asked(sandbox) == [400, 200]
    advisor.review(brief(TEXT))
    assert asked(sandbox) == [400, 200, 200], "it is not tried again for an hour"
    assert [row["outcome"] for row in purse.rows] == ["answered"] * 2, "each question is counted once"
    clock.advance(UNOFFERED + 1)
    advisor.review(brief(TEXT))
    assert asked(sandbox) == [400, 200, 200, 400, 200]


@pytest.mark.parametrize(("name", "sees"), [("ollama", True), ("lmstudio", False), ("vllm", False)])
def test_a_picture_is_described_where_the_model_sees(
    sandbox: SandboxServer, tmp_path: Path, name: str, sees: bool
) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (800, 800), "blue").save(path)
    file = MediaFile(5, MediaKind.IMAGE, "image/png", 9, 800, 800, "0" * 64, str(path), "")
    about = brief(TEXT, pictures=(replace(picture("blue-door-in-the-rain.png"), file=file),))
    advisor = Advisor(client(sandbox, name))
    told = advisor.advise(about)
    theirs = [s.after for s in told.suggestions if s.kind == "alt_text" and s.by != RULES]
    assert theirs == ([("A square area that is mostly blue.",)] if sees else [])
    assert told.note == ("" if sees else "The model does not read pictures.") and not told.incomplete
    before = len(asked(sandbox))
    advisor.advise(about)
    assert len(asked(sandbox)) == before + (2 if sees else 1), "who does not see is shown nothing for an hour"


@pytest.mark.parametrize("name", NAMES)
def test_the_emulated_server_answers_as_oddly_as_it_is_said_to(sandbox: SandboxServer, name: str) -> None:
    """The control of the tests above: without all that is understood, these answers could not be read."""
    question: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": '{"targets": []}'}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "A", "schema": {"type": "object", "properties": {"verdict": {"type": "string"}}}},
        },
    }
    with httpx2.Client(base_url=f"{sandbox.url}/{name}/v1") as http:
        reply = http.post("/chat/completions", json=question)
        moderation = http.post("/moderations", json={"input": ["Hello"]})
    if name == "vllm":
        assert reply.status_code == 400 and "xgrammar" in reply.json()["message"]
        assert (moderation.status_code, moderation.json()) == (404, {"detail": "Not Found"})
        return
    content = reply.json()["choices"][0]["message"]["content"]
    if name == "ollama":
        assert content == '```json\n{"verdict": "appropriate"}\n```'
        assert (moderation.status_code, moderation.text) == (404, "404 page not found")
    else:
        assert content.startswith("<think>") and content.endswith('"notes": ["none",],}')
        assert reply.json()["usage"]["prompt_tokens"] is None
        assert moderation.status_code == 200 and "Unexpected endpoint" in moderation.json()["error"]
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(content)
