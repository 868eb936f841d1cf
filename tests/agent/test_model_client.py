"""The model client against the sandbox's server: good answers, every failure, the budget, and what stays secret."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postprober.agent.advisor import Advisor
from postprober.agent.language_model import NoAnswer
from postprober.agent.model_client import PAUSES, ModelClient
from postprober.clock import ManualClock
from postprober.domain.diagnosis import Cause, Fix
from postprober.domain.platform import Platform
from postprober.http import HttpClient, Pools
from postprober.pipeline.repairs.model_budget import Budget, DbTokenBudget
from postprober.sandbox.openai import api as sandbox_model
from postprober.sandbox.serve import SandboxServer
from postprober.settings import Settings
from postprober.storage import usage
from postprober.storage.database import Database
from postprober.wiring import build_advisor
from tests.agent.agent_kit import Purse, brief, evidence, model

TEXT = "We have built a bridge of 300 metres in Oslo. Who builds bridges of wood today?"


def test_a_good_answer_is_read_marked_and_paid_for(sandbox: SandboxServer) -> None:
    purse = Purse()
    advice = Advisor(model(sandbox.url, purse)).advise(brief(TEXT))
    assert advice.by == "model sandbox-model and rules" and advice.note == ""
    hook = next(s for s in advice.suggestions if s.kind == "hook")
    assert hook.by == "model sandbox-model" and hook.after[0].startswith("Who builds bridges of wood today?")
    assert advice.review.verdict == "appropriate" and "model sandbox-model" in advice.review.by
    (row,) = purse.rows
    assert (row["purpose"], row["outcome"]) == ("advise", "answered")
    assert 0 < row["input"] + row["output"] <= row["most"]


def test_a_diagnosis_is_asked_for_in_the_closed_sets(sandbox: SandboxServer) -> None:
    answer = model(sandbox.url).diagnose(evidence())
    assert (answer.cause, answer.fix) == ("unknown", "ask_person")


@pytest.mark.parametrize(("words", "cause", "fix"), sandbox_model._FAILURES)
def test_the_emulated_model_names_causes_and_fixes_of_our_sets(
    sandbox: SandboxServer, words: str, cause: str, fix: str
) -> None:
    answer = model(sandbox.url).diagnose(evidence(message=words.partition("|")[0]))
    assert (answer.cause, answer.fix) == (Cause(cause), Fix(fix))


def test_a_model_that_agrees_lets_a_repair_go_on(sandbox: SandboxServer) -> None:
    about = evidence(Platform("mastodon"), 422, '{"error": "Validation failed: Text character limit of 300 exceeded"}')
    told = Advisor(model(sandbox.url)).diagnose(about)
    assert (told.fix, told.by, told.note) == (Fix.SPLIT_THREAD, "model sandbox-model and rules", "")


FAILURES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "refusal": ("model_refuses", {}, "refused", "The model refused to answer."),
    "malformed JSON": ("model_malformed", {}, "malformed", "The model's answer could not be read."),
    "no JSON at all": ("html_error", {}, "fault", "The model's server has a fault."),
    "a 200 that is no answer": ("malformed_2xx", {}, "malformed", "The model's answer could not be read."),
    "rate limit": ("rate_limited", {}, "rate", "The model's server asks for fewer questions."),
    "insufficient quota": ("model_quota", {}, "quota", "The model's account has no credit left."),
    "500": ("error_before_accept", {}, "fault", "The model's server has a fault."),
    "503": ("error_before_accept", {"params": {"status": 503}}, "fault", "The model's server has a fault."),
    "wrong key": (
        "unauthorized",
        {},
        "key",
        "The model's server does not accept the key (POSTPROBER_AI_API_KEY).",
    ),
    "time-out": ("timeout_after_accept", {"params": {"seconds": 20}}, "timeout", "did not answer within 0.5 seconds"),
    "a cut": ("cut_after_accept", {}, "fault", "The connection broke before the model's answer was complete."),
}


@pytest.mark.parametrize("name", FAILURES)
def test_every_failure_falls_back_to_rules_and_says_why(sandbox: SandboxServer, name: str) -> None:
    kind, options, outcome, sentence = FAILURES[name]
    sandbox.control.fault("openai", kind, **options)
    purse = Purse()
    language_model = model(sandbox.url, purse, timeout=0.5 if name == "time-out" else 5.0)
    began = time.monotonic()
    advice = Advisor(language_model).advise(brief(TEXT))
    assert time.monotonic() - began < 15, "well before the reply that comes after 20 s"
    assert advice.by == advice.review.by == "rules" and advice.suggestions
    assert sentence in advice.note
    assert purse.rows[0]["outcome"] == outcome
    asked = [row for row in sandbox.control.log(platform="openai") if row["operation"] == "model"]
    assert len(asked) == 1, "the client never repeats a question"


def test_without_a_fault_the_same_question_is_answered_by_the_model(sandbox: SandboxServer) -> None:
    """The positive control of the test above."""
    assert Advisor(model(sandbox.url)).advise(brief(TEXT)).note == ""


@pytest.mark.parametrize("kind", ["rate_limited", "model_quota", "error_before_accept"])
def test_a_model_in_trouble_is_left_alone_for_a_while(sandbox: SandboxServer, kind: str) -> None:
    clock = ManualClock()
    language_model = model(sandbox.url, clock=clock)
    sandbox.control.fault("openai", kind)
    for _ in range(3):
        with pytest.raises(NoAnswer):
            language_model.review(brief(TEXT))
    assert len(sandbox.control.log(platform="openai")) == 1
    clock.advance(max(PAUSES.values()) + 1)
    assert language_model.review(brief(TEXT)).verdict == "appropriate"


def test_diagnosis_and_review_fall_back_too(sandbox: SandboxServer) -> None:
    sandbox.control.fault("openai", "model_quota", times=0)
    advisor = Advisor(model(sandbox.url))
    assert advisor.diagnose(evidence()).note == "The model's account has no credit left."
    told = advisor.review(brief(TEXT))
    assert (told.review.by, told.note) == ("rules", "The model's account has no credit left.")
    assert told.incomplete


def test_a_text_that_the_moderation_service_objects_to_is_flagged(sandbox: SandboxServer) -> None:
    review = Advisor(model(sandbox.url)).review(brief("I would like to stab the cake")).review
    assert review.verdict == "flagged" and "violence" in review.reasons[0]


def test_a_server_without_a_moderation_endpoint_is_asked_for_it_once(sandbox: SandboxServer) -> None:
    language_model = model(sandbox.url)
    language_model._client = language_model._client.with_options(base_url=f"{sandbox.url}/nowhere")
    assert language_model.moderated(("Hello",)) == ()
    language_model._client = language_model._client.with_options(base_url="http://127.0.0.1:9/never-asked")
    assert language_model.moderated(("Hello",)) == ()


def test_the_budget_is_kept_before_a_question_is_asked(sandbox: SandboxServer) -> None:
    with pytest.raises(NoAnswer, match="budget"):
        model(sandbox.url, Purse(left=100)).review(brief(TEXT))
    assert sandbox.control.log(platform="openai") == []


def _ledger(database: Database, **more: Any) -> DbTokenBudget:
    budget = Budget(tokens=10_000, money=1.0, input_price=2.5, output_price=10.0)
    return DbTokenBudget(database, ManualClock(), replace(budget, **more))


def test_the_days_budget_counts_what_is_reserved_and_what_was_spent(database: Database) -> None:
    token_budget = _ledger(database)
    first = token_budget.reserve("review", "m", 6_000)
    assert first is not None and token_budget.reserve("review", "m", 6_000) is None
    token_budget.settle(first, 100, 50, "answered")
    assert token_budget.reserve("review", "m", 6_000) is not None
    with database.read() as conn:
        assert usage.today(conn, token_budget.clock.now()) == (6_150, 750 + 60_000)


def test_the_budget_in_money_holds_too_and_a_new_day_begins_at_nothing(database: Database) -> None:
    token_budget = _ledger(database, tokens=10_000_000, money=0.05)
    assert token_budget.reserve("review", "m", 6_000) is None
    assert token_budget.reserve("review", "m", 4_000) is not None
    assert token_budget.reserve("review", "m", 4_000) is None
    assert isinstance(token_budget.clock, ManualClock)
    token_budget.clock.advance(24 * 3600)
    assert token_budget.reserve("review", "m", 4_000) is not None


def test_the_key_is_in_no_error_and_no_repr(sandbox: SandboxServer) -> None:
    language_model: ModelClient = model(sandbox.url, key="sk-very-secret-key")
    assert "very-secret" not in repr(language_model)
    sandbox.control.fault("openai", "unauthorized")
    with pytest.raises(NoAnswer) as caught:
        language_model.review(brief(TEXT))
    assert "very-secret" not in caught.value.message + caught.value.detail


def test_an_address_on_a_private_network_is_refused_unless_the_operator_named_it(sandbox: SandboxServer) -> None:
    language_model = model(sandbox.url)
    guarded = replace(language_model, http=HttpClient(Pools(timeout=5.0)), clock=ManualClock())
    with pytest.raises(NoAnswer, match="could not be reached"):
        guarded.review(brief(TEXT))
    named = replace(language_model, http=HttpClient(Pools(timeout=5.0, trusted_hosts=frozenset({"127.0.0.1"}))))
    assert named.review(brief(TEXT)).verdict == "appropriate"


def test_without_a_key_there_is_no_model_and_in_the_sandbox_a_key_stays_on_this_machine(
    sandbox: SandboxServer, tmp_path: Path, database: Database
) -> None:
    http = HttpClient(Pools(allow_private=True, timeout=5.0))

    def language_model(**more: Any) -> Any:
        chosen = {"data_dir": tmp_path, "sandbox_port": sandbox.port, "secret_key": "s" * 40, "_env_file": None, **more}
        return build_advisor(Settings(**chosen), database, http, ManualClock()).language_model

    assert language_model() is None
    assert language_model(ai_api_key="sk-sandbox").base_url == f"{sandbox.url}/openai/v1"
    assert language_model(ai_api_key="sk-x", ai_base_url="https://llm.example/v1").base_url == "https://llm.example/v1"
    assert language_model(ai_api_key="sk-x", mode="live").base_url == ""
    assert language_model(ai_api_key="sk-sandbox").review(brief(TEXT)).verdict == "appropriate"
    with database.read() as conn:
        assert usage.today(conn, ManualClock().now())[0] > 0


def test_a_reply_that_only_trickles_is_given_up_in_time(tmp_path: Path) -> None:
    import socket
    import threading

    from postprober.sandbox.serve import free_socket

    listener = free_socket()
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n")
            while not stop.wait(0.1):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        language_model = model(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.6)
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="did not answer within"):
            language_model.review(brief(TEXT))
        assert time.monotonic() - began < 15, "the drip would last for a quarter of an hour"
    finally:
        stop.set()
        thread.join(5)
        listener.close()
    assert isinstance(listener, socket.socket)


def test_without_a_key_no_process_loads_the_client_library() -> None:
    code = "import sys, postprober.wiring; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
