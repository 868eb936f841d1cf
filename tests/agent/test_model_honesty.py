"""What a model may never do to a review: make it more permissive, break it, read what it must not, or keep anybody waiting.

The server here is a small one of our own that answers whatever the test says, because local servers answer oddly.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from postprober.agent.advisor import Advisor
from postprober.agent.language_model import KEY_REFUSED, NoAnswer, Turn
from postprober.agent.model_client import MOST_TOKENS, UNOFFERED
from postprober.clock import ManualClock, SystemClock
from postprober.domain.advice import Suggestion
from postprober.domain.post import PostStatus
from postprober.http import HttpClient, Pools
from postprober.services.core import Core
from postprober.services.posts import advice, drafts, posts, review_gate
from postprober.services.posts.posts import NewPost
from postprober.storage import alert_log
from postprober.storage import posts as store
from tests.agent.agent_kit import Purse, Scripted, brief, evidence, model, picture
from tests.agent.odd_kit import Answer, Odd, chat, moderation
from tests.installed import Installation
from tests.people import acting

# Moderation, chat and budget, each in every mood: never more permissive than the most careful answer that came.

HARMLESS = "Our bridge is open. See https://www.iana.org/bridge"
CHATS: dict[str, tuple[Answer, str]] = {  # the answer, and what it says ("" for nothing that can be read)
    "passes": (chat(), "appropriate"),
    "doubts": (chat("unsure"), "unsure"),
    "flags": (chat("flagged"), "flagged"),
    "fenced": (
        (
            200,
            {
                "choices": [
                    {"message": {"content": '```json\n{"verdict": "flagged", "reasons": [], "confidence": 1}\n```'}}
                ]
            },
        ),
        "flagged",
    ),
    "no usage": (chat(usage=None), "appropriate"),
    "usage of nulls": (
        chat(usage={"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}),
        "appropriate",
    ),
    "usage of words": (chat(usage={"prompt_tokens": "5", "completion_tokens": True}), "appropriate"),
    "null": ((200, "null"), ""),
    "a list": ((200, []), ""),
    "an error in a 200": ((200, {"error": {"message": "no"}}), ""),
    "no choices": (chat(choices=[]), ""),
    "choices of null": (chat(choices=[None]), ""),
    "no message": (chat(choices=[{"message": None}]), ""),
    "content of parts": (chat(choices=[{"message": {"content": [{"type": "text"}]}}]), ""),
    "cut short": (chat(choices=[{"message": {"content": '{"verdict": "appr'}}]), ""),
    "no JSON": ((200, "<html>"), ""),
    "400": ((400, {"error": {"message": "no"}}), ""),
    "401": ((401, {"error": {"message": "no"}}), ""),
    "429": ((429, {"error": {"message": "no"}}), ""),
    "500": ((500, {"error": {"message": "no"}}), ""),
}
UNREADABLE: dict[str, Answer] = {  # answers of 200 that do not judge the one text that was asked about
    "nothing": (200, ""),
    "null for all": (200, "null"),
    "a word": (200, '"ok"'),
    "an empty object": (200, {}),
    "no results": (200, {"id": "m", "results": []}),
    "results of an object": (200, {"results": {"flagged": False, "categories": {}}}),
    "results of null": (200, {"results": None}),
    "a result of null": (200, {"results": [None]}),
    "an empty result": (200, {"results": [{}]}),
    "no categories": (200, {"results": [{"flagged": False}]}),
    "categories of a list": (200, {"results": [{"flagged": False, "categories": ["hate"]}]}),
    "no flag": (200, {"results": [{"categories": {"hate": False}}]}),
    "a flag of text": (200, {"results": [{"flagged": "true", "categories": {"hate": False}}]}),
    "a flag of one": (200, {"results": [{"flagged": 1, "categories": {"hate": False}}]}),
    "a category of text": (200, {"results": [{"flagged": False, "categories": {"hate": "yes"}}]}),
    "a category of a number": (200, {"results": [{"flagged": False, "categories": {"hate": 0.9}}]}),
}
MODERATIONS: dict[str, tuple[Answer, bool]] = {  # the answer, and whether it objects
    "passes": (moderation(), False),
    "objects": (moderation("hate"), True),
    "objects without a name": (moderation(flagged=True), True),
    "names without a flag": (moderation("violence", flagged=False), True),
    "categories of null": ((200, {"results": [{"flagged": True, "categories": None}]}), True),
    "one odd result": ((200, {"results": [None, {"flagged": True}]}), True),
    "null": ((200, "null"), False),
    "a list": ((200, []), False),
    "an error in a 200": ((200, {"error": "no"}), False),
    "no JSON": ((200, "<html>"), False),
    **{name: (reply, False) for name, reply in UNREADABLE.items()},
    **{str(status): ((status, {"error": {"message": "no"}}), False) for status in (400, 401, 403, 404, 405, 422, 429)},
    **{str(status): ((status, {"error": {"message": "no"}}), False) for status in (500, 501)},
}
ORDER = ("flagged", "unsure", "appropriate")


@pytest.mark.parametrize("money", [True, False], ids=["budget", "no budget"])
@pytest.mark.parametrize("asked", ["review", "advise"])
@pytest.mark.parametrize("said", CHATS)
def test_a_review_is_as_careful_as_the_most_careful_answer(odd: Odd, said: str, asked: str, money: bool) -> None:
    http = HttpClient(Pools(allow_private=True, timeout=5.0))
    reply, verdict = CHATS[said]
    for told, (objection, objects) in MODERATIONS.items():
        if asked == "advise" and verdict:
            content = {"verdict": verdict, "reasons": ["Seen."], "confidence": 0.9}
            reply = (
                200,
                {**reply[1], "choices": [{"message": {"content": json.dumps({"review": content, "rewrites": []})}}]},
            )
        odd.chat, odd.moderation = reply, objection
        language_model = model(odd.url, Purse(left=1_000_000 if money else 0), http=http)
        found = getattr(Advisor(language_model), asked)(brief(HARMLESS)).review.verdict
        least = min(
            ["appropriate", *(["flagged"] if objects else []), *([verdict] if verdict and money else [])],
            key=ORDER.index,
        )
        assert found == least, (said, told)


def test_a_model_that_passes_everything_does_pass_it(odd: Odd) -> None:
    """The control of the test above: what nobody objects to goes through, with both asked."""
    told = Advisor(model(odd.url)).review(brief(HARMLESS))
    assert (told.review.verdict, told.note, told.incomplete) == ("appropriate", "", False)
    assert odd.paths() == ["/openai/v1/moderations", "/openai/v1/chat/completions"]


@pytest.mark.parametrize("said", UNREADABLE)
@pytest.mark.parametrize("asked", ["review", "advise"])
def test_a_moderation_that_judges_nothing_is_incomplete_and_no_word_for_the_post(
    odd: Odd, said: str, asked: str
) -> None:
    if asked == "advise":
        content = {"review": {"verdict": "appropriate", "reasons": [], "confidence": 1}, "rewrites": []}
        odd.chat = chat(choices=[{"message": {"content": json.dumps(content)}}])
    odd.moderation = 200, {"results": [{"flagged": False, "categories": {"hate": False, "illicit": None}}]}
    assert not getattr(Advisor(model(odd.url)), asked)(brief(HARMLESS)).incomplete, "a whole answer is one"
    odd.moderation = UNREADABLE[said]
    told = getattr(Advisor(model(odd.url)), asked)(brief(HARMLESS))
    assert told.incomplete and told.note == "The moderation service's answer could not be read."


def test_a_moderation_must_judge_every_text(odd: Odd) -> None:
    one: dict[str, Any] = {"flagged": False, "categories": {}}
    for results, incomplete in (([one, one], False), ([one], True), ([one, None], True)):
        odd.moderation = 200, {"results": results}
        assert Advisor(model(odd.url)).review(brief(HARMLESS, "And a second part.")).incomplete is incomplete


# What is paid for


ABSURD = [10**30, MOST_TOKENS + 1, 9 * 10**18, 9e18, -1, True, "5", None, [5]]


@pytest.mark.parametrize("count", ABSURD, ids=str)
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_a_count_of_tokens_that_cannot_be_true_is_none(odd: Odd, count: Any, name: str) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 6}
    purse = Purse()
    for told in (usage, {**usage, name: count}):
        odd.chat = chat(usage=told)
        assert Advisor(model(odd.url, purse)).review(brief(HARMLESS)).review.verdict == "appropriate"
    said, absurd = purse.rows
    assert (said["input"], said["output"]) == (5, 6), "what can be true is believed"
    assert absurd["input"] + absurd["output"] == absurd["most"], "else what was reserved is counted"


def _cost(row: dict[str, Any]) -> int:
    return int(row["input"] + row["output"])


@pytest.mark.parametrize("cut", ["before the headers", "in the body"])
def test_an_answer_that_was_cut_may_have_been_paid_for_and_is_counted(cut: str) -> None:
    """The request went out, so the server may have done the work; what never left costs nothing."""
    purse = Purse()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                if cut == "in the body":
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(NoAnswer):
            model(url, purse).review(brief(HARMLESS))
        thread.join(5)
    with pytest.raises(NoAnswer):
        model(url, purse).review(brief(HARMLESS))  # nobody listens there any more
    lost, refused = purse.rows
    assert _cost(lost) == lost["most"] and _cost(refused) == 0


def test_what_is_not_asked_while_a_silent_model_is_left_alone_costs_nothing(odd: Odd) -> None:
    odd.chat = 200, None
    purse = Purse()
    language_model = model(odd.url, purse, timeout=0.2)
    for _ in range(2):
        with pytest.raises(NoAnswer):
            language_model.review(brief(HARMLESS))
    late, unasked = purse.rows
    assert _cost(late) == late["most"] and _cost(unasked) == 0
    assert len(odd.asked) == 1


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_moderation_is_asked_again_after_an_hour(odd: Odd, status: int) -> None:
    clock = ManualClock()
    language_model = model(odd.url, clock=clock)
    odd.moderation = status, {"error": "no"}
    for _ in range(3):
        assert not Advisor(language_model).review(brief(HARMLESS)).incomplete
    assert odd.paths().count("/openai/v1/moderations") == 1
    clock.advance(UNOFFERED + 1)
    odd.moderation = moderation("hate")
    assert Advisor(language_model).review(brief(HARMLESS)).review.verdict == "flagged"


@pytest.mark.parametrize("status", [400, 422])
def test_a_moderation_that_one_text_was_too_much_for_is_asked_about_the_next(odd: Odd, status: int) -> None:
    language_model = model(odd.url)
    odd.moderation = status, {"error": "no"}
    assert not Advisor(language_model).review(brief(HARMLESS)).incomplete
    odd.moderation = moderation("hate")
    assert Advisor(language_model).review(brief(HARMLESS)).review.verdict == "flagged"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("asked", ["review", "advise"])
def test_a_refused_key_is_said_also_when_only_moderation_refuses_it(odd: Odd, status: int, asked: str) -> None:
    odd.moderation = status, {"error": {"message": "no"}}
    if asked == "advise":
        content = {"review": {"verdict": "appropriate", "reasons": [], "confidence": 1}, "rewrites": []}
        odd.chat = chat(choices=[{"message": {"content": json.dumps(content)}}])
    told = getattr(Advisor(model(odd.url)), asked)(brief(HARMLESS))
    assert told.note == KEY_REFUSED and told.incomplete
    assert "model sandbox-model" in told.review.by, "the chat was asked all the same"


# Time


def test_moderation_and_chat_share_one_time_limit(odd: Odd) -> None:
    odd.moderation, odd.chat = (200, None), (200, None)
    clock = SystemClock()
    language_model = model(odd.url, timeout=0.5, clock=clock)
    began = clock.monotonic()
    told = Advisor(language_model).review(brief(HARMLESS))
    assert told.incomplete and "did not answer within 0.5 seconds" in told.note
    assert clock.monotonic() - began < 10, "each of the two would hang for 30 s"
    assert odd.paths() == ["/openai/v1/moderations"], "no time was left for the second"


# What leaves

SECRET = "Use AKIAIOSFODNN7EXAMPLE for now"
KEYED = (
    "Join at https://meet.example.org/j/abc?pwd=S3cretPwd99 or https://www.iana.org/#frag-7d6e5f "
    "or https://docs.example.org/d/1aB2cD3eF4gH5iJ6kL7/edit and read https://www.iana.org/how-we-built-the-bridge-42"
)


@pytest.mark.parametrize("place", ["text", "second part", "description"])
def test_what_the_rules_flag_is_shown_to_no_model(odd: Odd, place: str) -> None:
    about = {
        "text": brief(SECRET),
        "second part": brief("Hello", SECRET),
        "description": brief("Hello", pictures=(picture(alt=SECRET),)),
    }[place]
    advisor = Advisor(model(odd.url))
    assert advisor.review(about).review.verdict == advisor.advise(about).review.verdict == "flagged"
    assert odd.asked == []


def test_a_diagnosis_sends_no_flagged_text_no_file_names_and_no_confidential_part_of_a_link(odd: Odd) -> None:
    about = evidence(
        reply=f'{{"detail": "{SECRET}"}}',
        message="see https://a.example/?token=T0kenT0ken",
        texts=(SECRET, KEYED),
        files=("salaries-2026.png (PNG)",),
    )
    Advisor(model(odd.url)).diagnose(about)
    sent = odd.bodies()
    assert '"model": "sandbox-model"' in json.dumps(json.loads(sent)), "it was asked"
    for secret in ("AKIA", "T0ken", "S3cret", "7d6e5f", "1aB2cD3eF4", "salaries"):
        assert secret not in sent, secret


def test_a_diagnosis_names_neither_the_account_nor_a_file(odd: Odd) -> None:
    about = evidence(
        reply='{"detail": "@Bridge.Builders may not post salaries-2026.png (acct:42424242)"}',
        message="salaries-2026.png was refused for bridge.builders.",
        files=("salaries-2026.png (PNG)",),
        accounts=("bridge.builders", "42424242"),
    )
    Advisor(model(odd.url)).diagnose(replace(about, files=(), accounts=()))
    assert "salaries" in odd.bodies() and "42424242" in odd.bodies(), "the control: it is in what the platform says"
    del odd.asked[:]
    told = Advisor(model(odd.url, clock=ManualClock())).diagnose(about)
    assert odd.asked and told.by
    for name in ("salaries", "ridge.", "42424242"):
        assert name not in odd.bodies(), name


def test_nothing_of_the_environment_is_sent_to_the_server(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-poison")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-poison")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-poison")
    monkeypatch.setenv("OPENAI_API_KEY", "key-poison")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/poison")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Poison: poison")
    for key in ("", "sk-1234567890"):
        assert not Advisor(model(odd.url, key=key)).review(brief(HARMLESS)).incomplete
    assert len(odd.headers) == 4
    told = str(odd.headers)
    assert "sk-1234567890" in told, "the control: headers are seen"
    assert "poison" not in told and "stainless" not in told


def test_links_are_sent_without_what_opens_doors_and_come_back_whole(odd: Odd) -> None:
    about = brief(f"Our news. {KEYED}", pictures=(picture("salaries-2026.png"),))
    (text,) = about.texts

    def answer() -> Answer:
        (sent,) = json.loads(json.loads(odd.asked[-1][1])["messages"][1]["content"])["targets"][0]["texts"]
        rewritten = f"{sent.removeprefix('Our news. ')}\n\nOur news."
        rewrite = {"target": 0, "kind": "variant", "texts": [rewritten], "reason": "Links first.", "confidence": 1}
        content = {"review": {"verdict": "appropriate", "reasons": [], "confidence": 1}, "rewrites": [rewrite]}
        return chat(choices=[{"message": {"content": json.dumps(content)}}])

    Advisor(model(odd.url)).advise(about)  # to see what is sent
    sent = odd.bodies()
    for secret in ("S3cret", "7d6e5f", "1aB2cD3eF4", "salaries", "pwd="):
        assert secret not in sent, secret
    assert "meet.example.org" in sent and "how-we-built-the-bridge-42" in sent
    odd.chat = answer()
    made = Advisor(model(odd.url)).advise(about).suggestions
    (theirs,) = [s for s in made if s.by == "model sandbox-model"]
    assert all(link in theirs.after[0] for link in KEYED.split() if link.startswith("https://")), theirs.after
    assert theirs.before == (text,)


# The planned post and the model that comes back


@pytest.fixture
def core(installation: Installation) -> Core:
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


def _wish(core: Core, account: int, text: str = HARMLESS, hours: float = 1) -> NewPost:
    from datetime import timedelta

    return NewPost((text,), (account,), at=core.clock.now() + timedelta(hours=hours))


def _away(core: Core, odd: Odd) -> Core:
    odd.chat = 500, {"error": {"message": "no"}}
    return replace(core, advisor=Advisor(model(odd.url, clock=core.clock)))


def _turns(core: Core, seconds: float) -> int:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(seconds)
    return advice.make_pending(core)


def test_a_post_passed_without_the_model_is_reviewed_once_it_is_back(
    core: Core, installation: Installation, odd: Odd
) -> None:
    account, smart = installation.link("bluesky").id, _away(core, odd)
    post = posts.create(smart, acting(smart, installation.owner), _wish(smart, account))
    assert post.status == PostStatus.SCHEDULED, "rules pass it, and nobody asked to wait"
    for _ in range(3):
        assert _turns(smart, 150) == 1, "it is asked about again and again"
    content = {"review": {"verdict": "flagged", "reasons": ["It may hurt."], "confidence": 1}, "rewrites": []}
    odd.chat = chat(choices=[{"message": {"content": json.dumps(content)}}])
    assert _turns(smart, 150) == 1
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == PostStatus.REVIEW
    assert _turns(smart, 1000) == 0, "and then no more"


def _reviewed(verdict: str) -> Callable[[Odd], None]:
    def turn(odd: Odd) -> None:
        answer = {"verdict": verdict, "reasons": ["Seen."], "confidence": 1}
        both = {**answer, "review": answer, "rewrites": []}
        odd.chat = chat(choices=[{"message": {"content": json.dumps(both)}}])

    return turn


@pytest.mark.parametrize("verdict", ["appropriate", "flagged"])
def test_a_space_may_hold_posts_until_the_model_has_answered(
    core: Core, installation: Installation, odd: Odd, verdict: str
) -> None:
    account, smart = installation.link("bluesky").id, _away(core, odd)
    with core.db.read() as conn:
        from postprober.storage import users

        owner = users.get(conn, installation.owner)
    advice.wait_for_model(smart, acting(smart, owner), True)
    assert not advice.waits_for_model(smart, acting(smart, installation.stranger)), "another space decides for itself"
    post = posts.create(smart, acting(smart, installation.owner), _wish(smart, account))
    assert post.status == PostStatus.REVIEW
    told = advice.of(smart, acting(smart, installation.owner), post.id)
    assert told is not None and told.waits and told.review.reasons[0].startswith("Waiting for the model's review.")
    assert _turns(smart, 150) == 1
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == PostStatus.REVIEW
    _reviewed(verdict)(odd)
    assert _turns(smart, 150) == 1
    now = drafts.get(smart, acting(smart, installation.owner), post.id)
    with core.db.read() as conn:
        alerts = [a.message for a in alert_log.of_user(conn, installation.owner)]
    if verdict == "appropriate":
        assert now.status == PostStatus.SCHEDULED and now.scheduled_at == post.scheduled_at and not alerts
    else:
        assert now.status == PostStatus.REVIEW and "waits for your review" in alerts[0]


def test_a_post_whose_time_passes_while_it_waits_is_told_of_and_not_sent(
    core: Core, installation: Installation, odd: Odd
) -> None:
    account, smart = installation.link("bluesky").id, _away(core, odd)
    review_gate.wait_for_model(smart, acting(smart, installation.owner), True)
    post = posts.create(smart, acting(smart, installation.owner), _wish(smart, account))
    _reviewed("appropriate")(odd)
    assert _turns(smart, 7200) == 1
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == PostStatus.REVIEW
    with core.db.read() as conn:
        assert "could not be scheduled" in alert_log.of_user(conn, installation.owner)[0].message


def test_an_incomplete_look_lifts_no_objection(core: Core, installation: Installation, odd: Odd) -> None:
    account, smart = installation.link("bluesky").id, _away(core, odd)
    odd.moderation = moderation("hate")
    post = posts.create(smart, acting(smart, installation.owner), _wish(smart, account))
    assert post.status == PostStatus.REVIEW
    odd.moderation = 500, {"error": {"message": "no"}}
    told = advice.ask(smart, acting(smart, installation.owner), post.id)
    assert told.review.verdict == "flagged" and told.incomplete


def test_one_post_that_meets_a_mistake_stops_no_other(core: Core, installation: Installation) -> None:
    account = installation.link("bluesky").id

    @dataclass
    class Broken(Scripted):
        def advise(self, brief: Any, turn: Turn | None = None) -> Any:
            if "poison" in brief.texts[0]:
                raise TypeError("a mistake of ours")
            return super().advise(brief)

    smart = replace(core, advisor=Advisor(Broken()))
    drafts.save(smart, acting(smart, installation.owner), NewPost(("poison",), (account,)))
    good = drafts.save(smart, acting(smart, installation.owner), NewPost(("good",), (account,)))
    assert _turns(smart, 5) == 1
    told = advice.of(smart, acting(smart, installation.owner), good.id)
    assert told is not None and not told.pending
    assert _turns(smart, 1) == 0, "the poison row was put off"


class Killed(BaseException):
    """The process ends here."""


def _killed(*_: Any, **__: Any) -> None:
    raise Killed


@pytest.mark.parametrize("verdict", ["appropriate", "flagged"])
def test_killed_between_an_opinion_and_what_follows_from_it_it_follows_later(
    core: Core, installation: Installation, odd: Odd, monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    """Appropriate: a post that waited for the model is planned. Flagged: a planned one is held."""
    account, smart = installation.link("bluesky").id, _away(core, odd)
    review_gate.wait_for_model(smart, acting(smart, installation.owner), verdict == "appropriate")
    post = posts.create(smart, acting(smart, installation.owner), _wish(smart, account))
    before, after = (
        (PostStatus.REVIEW, PostStatus.SCHEDULED)
        if verdict == "appropriate"
        else (PostStatus.SCHEDULED, PostStatus.REVIEW)
    )
    assert post.status == before
    _reviewed(verdict)(odd)
    with monkeypatch.context() as at:
        at.setattr(drafts, "submit", _killed)
        at.setattr(drafts, "hold_for_review", _killed)
        with pytest.raises(Killed):
            _turns(smart, 150)
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == before
    assert _turns(smart, 150) == 1
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == after


def test_refusing_a_suggestion_does_not_end_the_wait_for_the_model(
    core: Core, installation: Installation, odd: Odd
) -> None:
    account, smart = installation.link("bluesky").id, _away(core, odd)
    review_gate.wait_for_model(smart, acting(smart, installation.owner), True)
    post = posts.create(smart, acting(smart, installation.owner), _wish(smart, account))
    told = advice.of(smart, acting(smart, installation.owner), post.id)
    assert told is not None and told.waits
    one = Suggestion("s1", account, "bluesky", "variant", ("x",), ("y",), "Shorter.", "rules", 0.5)
    with core.db.write() as conn:
        assert store.advise(conn, post.id, post.version, replace(told, suggestions=(one,)).to_json())
    advice.refuse(smart, acting(smart, installation.owner), post.id, "s1")
    _reviewed("appropriate")(odd)
    assert _turns(smart, 150) == 1
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == PostStatus.SCHEDULED


def test_turning_the_wait_off_plans_what_waited_though_the_model_is_still_away(
    core: Core, installation: Installation, odd: Odd
) -> None:
    account, smart = installation.link("bluesky").id, _away(core, odd)
    review_gate.wait_for_model(smart, acting(smart, installation.owner), True)
    post = posts.create(smart, acting(smart, installation.owner), _wish(smart, account))
    assert _turns(smart, 150) == 1
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == PostStatus.REVIEW
    review_gate.wait_for_model(smart, acting(smart, installation.owner), False)
    assert _turns(smart, 150) == 1
    assert drafts.get(smart, acting(smart, installation.owner), post.id).status == PostStatus.SCHEDULED
