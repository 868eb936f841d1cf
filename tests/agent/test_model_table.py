"""Moderation, chat, budget and rules, each in every mood: the verdict is as careful as the most careful answer that came,
and nothing that the rules flag leaves the machine."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from postprober.agent.advisor import Advisor
from postprober.clock import SystemClock
from postprober.domain.advice import RULES
from postprober.http import HttpClient, Pools
from tests.agent.agent_kit import Purse, brief, model, target
from tests.agent.odd_kit import Answer, Odd, advice, chat, moderation, said

NO: Any = {"error": {"message": "no"}}
HANGS: Answer = (200, None)

# name -> the answer, and whether it objects; None: it is no answer
MODERATIONS: dict[str, tuple[Answer, bool | None]] = {
    "clear": (moderation(), False),
    "objects": (moderation("hate"), True),
    "401": ((401, NO), None),
    "404": ((404, NO), None),
    "500": ((500, NO), None),
    "time-out": (HANGS, None),
    "odd body": ((200, {"error": "no"}), None),
}
NOT_OFFERED = ("404",)  # which is no failure
# name -> verdict of the answer, "" for none, and how it is sent
CHATS: dict[str, tuple[str, Any]] = {
    "approves": ("appropriate", None),
    "objects": ("flagged", None),
    "doubts": ("unsure", None),
    "401": ("", (401, NO)),
    "429": ("", (429, NO)),
    "500": ("", (500, NO)),
    "time-out": ("", HANGS),
    "odd": ("", (200, {"choices": [{"message": {"content": "I cannot say."}}]})),
    "fences": ("flagged", "fenced"),
}
TEXTS = {
    "appropriate": "Our bridge is open. See https://www.iana.org/bridge",
    "unsure": "Our bridge is open. TODO: write the rest",
    "flagged": "Our bridge is open. Use AKIAIOSFODNN7EXAMPLE for the door",
}
CARE = ("appropriate", "unsure", "flagged")


def answers(asked: str, name: str) -> Answer:
    verdict, how = CHATS[name]
    if not verdict:
        return how  # type: ignore[no-any-return]
    made = chat(verdict) if asked == "review" else advice(verdict)
    content = made[1]["choices"][0]["message"]["content"]
    return said(f"Here:\n```json\n{content}\n```") if how == "fenced" else made


@pytest.mark.parametrize("about", MODERATIONS)
@pytest.mark.parametrize("asked", ["review", "advise"])
@pytest.mark.parametrize("name", CHATS)
def test_the_most_careful_answer_holds(odd: Odd, name: str, asked: str, about: str) -> None:
    http = HttpClient(Pools(allow_private=True, timeout=5.0))
    odd.moderation, objects = MODERATIONS[about]
    odd.chat, (verdict, _) = answers(asked, name), CHATS[name]
    for rules, text in TEXTS.items():
        for left in (1_000_000, 0):
            # What hangs is not waited for longer than what has to be heard beside it needs on a busy machine.
            hangs = "time-out" in (about, name)
            seconds = 30.0 if not hangs else 4.0 if objects else 0.2
            del odd.asked[:]
            advisor = Advisor(model(odd.url, Purse(left=left), http=http, timeout=seconds, clock=SystemClock()))
            found = getattr(advisor, asked)(brief(text))
            told = [rules]
            if rules != "flagged":
                told += ["flagged"] if objects else []
                told += [verdict] if verdict and left and about != "time-out" else []
            where = f"{about}, {name}, rules {rules}, budget {left}"
            assert found.review.verdict == max(told, key=CARE.index), where
            if rules == "flagged":
                assert odd.asked == [] and RULES in found.review.by, where
                continue
            if not hangs or objects:
                assert "Our bridge is open" in odd.bodies(), "the control: what is not flagged is seen at the server"
            missing = (objects is None and about not in NOT_OFFERED) or not verdict or not left
            assert (found.incomplete, bool(found.note)) == (missing, missing), where


@pytest.mark.parametrize("place", ["text", "second part", "of another account"])
def test_a_flag_anywhere_keeps_everything_here(odd: Odd, place: str) -> None:
    flagged, clear = TEXTS["flagged"], TEXTS["appropriate"]
    plain = brief(clear)
    about = {
        "text": brief(flagged),
        "second part": brief(clear, flagged),
        "of another account": replace(plain, targets=(*plain.targets, target(flagged))),
    }[place]
    odd.chat = advice()
    Advisor(model(odd.url)).review(about)
    Advisor(model(odd.url)).advise(about)
    assert odd.asked == []
    Advisor(model(odd.url)).advise(plain)
    assert json.loads(odd.asked[-1][1])["model"] == "sandbox-model", "the control"
