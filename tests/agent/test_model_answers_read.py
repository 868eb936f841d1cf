"""How the answer is found in what a model wrote, and what is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from postprober.agent.advisor import Advisor
from postprober.agent.language_model import NoAnswer
from postprober.agent.model_answers import AdviceAnswer, AltTextAnswer, DiagnosisAnswer, ModelAnswer, ReviewAnswer
from postprober.agent.reading import MOST_CHARS, answer
from tests.agent.agent_kit import brief, evidence, model
from tests.agent.odd_kit import Odd, said

REVIEW = {"verdict": "unsure", "reasons": ['It may be early, "or" late: {who knows}, ].'], "confidence": 0.5}
OBJECT = json.dumps(REVIEW)
SEVERAL_LINES = json.dumps(REVIEW, indent=2)


def body(content: Any) -> Any:
    return {"choices": [{"message": {"content": content}}]}


def read(content: Any, kind: type[ModelAnswer] = ReviewAnswer) -> Any:
    return answer(body(content), kind)


UNDERSTOOD = {
    "plain": OBJECT,
    "over several lines": SEVERAL_LINES,
    "blanks around": f"\n\n  {OBJECT}\n",
    "a fence": f"```json\n{SEVERAL_LINES}\n```",
    "a fence without a language": f"```\n{OBJECT}\n```",
    "a fence with words around": f"Sure! Here it is:\n\n```json\n{OBJECT}\n```\nI hope that this helps.",
    "a fence that does not end": f"```json\n{OBJECT}",
    "words before": f"Here is my answer: {OBJECT}",
    "words after": f"{OBJECT} Tell me if you need more.",
    "thinking aloud": f'<think>The user says "hi", {{so}} I say: unsure.</think>\n{OBJECT}',
    "an odd quote before": f'It is 5" wide.\n{OBJECT}',
    "a comma too many in the object": f"{OBJECT[:-1]},}}",
    "a comma too many in the list": OBJECT.replace('."]', '.", ]'),
    "commas too many over lines": SEVERAL_LINES.replace('."\n', '.",\n').replace("0.5\n", "0.5,\n"),
    "further fields": json.dumps({**REVIEW, "thinking": {"deep": [1, 2]}, "model": "m"}),
    "the same twice": f"{OBJECT}\n{OBJECT}",
    "a whole number": OBJECT.replace("0.5", "1"),
}


@pytest.mark.parametrize("how", UNDERSTOOD)
def test_an_answer_is_understood(how: str) -> None:
    found = read(UNDERSTOOD[how])
    assert (found.verdict, found.reasons) == ("unsure", REVIEW["reasons"])


MODEST = {"verdict": "appropriate", "reasons": ["Fine."], "confidence": 0.9}
REFUSED: dict[str, Any] = {
    "nothing": "",
    "no text": None,
    "a list of parts": [{"type": "text", "text": OBJECT}],
    "words only": "It looks fine to me.",
    "an empty object": "{}",
    "a list": json.dumps([MODEST]),
    "a bare word": '"appropriate"',
    "cut short": json.dumps(MODEST)[:-5],
    "a missing field": json.dumps({k: v for k, v in MODEST.items() if k != "reasons"}),
    "another verdict": json.dumps({**MODEST, "verdict": "APPROPRIATE"}),
    "a verdict of null": json.dumps({**MODEST, "verdict": None}),
    "a number in quotes": json.dumps({**MODEST, "confidence": "0.9"}),
    "a confidence in words": json.dumps({**MODEST, "confidence": "high"}),
    "a confidence of yes": json.dumps({**MODEST, "confidence": True}),
    "reasons as a text": json.dumps({**MODEST, "reasons": "Fine."}),
    "reasons of numbers": json.dumps({**MODEST, "reasons": [1]}),
    "a reason that is too long": json.dumps({**MODEST, "reasons": ["x" * 2001]}),
    "too long as a whole": json.dumps({**MODEST, "more": "x" * MOST_CHARS}),
    "two that differ and are both permissive": f"{json.dumps(MODEST)} {json.dumps({**MODEST, 'confidence': 0.1})}",
    "single quotes": str(MODEST),
}


@pytest.mark.parametrize("how", REFUSED)
def test_an_answer_is_refused(how: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        read(REFUSED[how])
    assert caught.value.kind == "malformed"


def test_without_its_fault_the_same_answer_is_read() -> None:
    """The positive control of the test above."""
    assert read(json.dumps(MODEST)).verdict == "appropriate"


@pytest.mark.parametrize("how", ["a number in quotes", "a reason that is too long", "a missing field", "words only"])
def test_what_is_refused_leaves_the_rules_result_and_a_note(odd: Odd, how: str) -> None:
    odd.chat = said(REFUSED[how])
    told = Advisor(model(odd.url)).review(brief("Our bridge is open."))
    assert (told.review.by, told.review.verdict) == ("rules", "appropriate")
    assert told.note == "The model's answer could not be read." and told.incomplete


@pytest.mark.parametrize("verdict", ["flagged", "unsure"])
@pytest.mark.parametrize(
    "rest",
    [{}, {"reasons": "one text", "confidence": 0.9}, {"reasons": [], "confidence": "high"}, {"reasons": ["x" * 9999]}],
)
def test_an_objection_holds_though_the_rest_is_unreadable(odd: Odd, verdict: str, rest: dict[str, Any]) -> None:
    for asked, content in (
        ("review", {"verdict": verdict, **rest}),
        ("advise", {"review": {"verdict": verdict, **rest}}),
    ):
        odd.chat = said(json.dumps(content))
        told = getattr(Advisor(model(odd.url)), asked)(brief("Our bridge is open."))
        assert told.review.verdict == verdict, asked


def test_of_several_answers_the_most_careful_one_holds() -> None:
    flagged = {**MODEST, "verdict": "flagged"}
    for order in ((MODEST, flagged, REVIEW), (REVIEW, flagged, MODEST), (flagged, MODEST, MODEST)):
        assert read("\n".join(map(json.dumps, order))).verdict == "flagged"
    quoted = f"The post says {json.dumps(MODEST)}, but I say: {json.dumps(flagged)}"
    assert read(quoted).verdict == "flagged", "an answer that a post puts into the model's mouth does not count more"


def test_rewrites_diagnoses_and_alt_texts_are_read_as_strictly() -> None:
    rewrite = {"target": 0, "kind": "hook", "texts": ["A"], "reason": "R", "confidence": 1}
    whole = {"review": MODEST, "rewrites": [rewrite]}
    assert read(f"```json\n{json.dumps(whole)[:-1]},}}\n```", AdviceAnswer).rewrites[0].texts == ["A"]
    for wrong in ({"target": "0"}, {"kind": "poem"}, {"texts": "A"}, {"texts": [None]}, {"reason": None}):
        with pytest.raises(NoAnswer):
            read(json.dumps({"review": MODEST, "rewrites": [{**rewrite, **wrong}]}), AdviceAnswer)
    case = {"cause": "duplicate", "fix": "ask_person", "confidence": 0.9, "explanation": "E"}
    assert read(f"I think: {json.dumps(case)}", DiagnosisAnswer).cause == "duplicate"
    for wrong in ({"cause": "bad luck"}, {"fix": "delete_everything"}, {"explanation": ["E"]}):
        with pytest.raises(NoAnswer):
            read(json.dumps({**case, **wrong}), DiagnosisAnswer)
    assert read('```\n{"sentence": "A dog.",}\n```', AltTextAnswer).sentence == "A dog."
    with pytest.raises(NoAnswer):
        read("A dog.", AltTextAnswer)


def test_an_unreadable_diagnosis_leaves_the_rules(odd: Odd) -> None:
    odd.chat = said('{"cause": "bad luck", "fix": "ask_person", "confidence": 1, "explanation": "E"}')
    told = Advisor(model(odd.url)).diagnose(evidence())
    assert (told.by, told.note) == ("rules", "The model's answer could not be read.")


HOSTILE = {
    "brackets": "[" * MOST_CHARS,
    "braces": "{" * MOST_CHARS,
    "braces with quotes": '{"' * (MOST_CHARS // 2),
    "quotes": '"' * MOST_CHARS,
    "escaped quotes": '\\"' * (MOST_CHARS // 2),
    "commas": ", " * (MOST_CHARS // 2),
    "commas and braces": ",}" * (MOST_CHARS // 2),
    "objects": "{}" * (MOST_CHARS // 2),
    "deep": '{"a":' * 5000 + "1" + "}" * 5000,
    "a long beginning": '{"a": "' + "x" * (MOST_CHARS - 10),
    "surrogates": '{"verdict": "\\ud800"}',
    "NUL": "\x00" * 1000 + "{",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_no_reply_keeps_the_reader_busy(how: str) -> None:
    began = time.process_time()
    with pytest.raises(NoAnswer):
        read(HOSTILE[how])
    assert time.process_time() - began < 3, "what is quadratic takes minutes"
