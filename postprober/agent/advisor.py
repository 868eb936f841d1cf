"""Chooses between the two minds, falls back to rules, and lets the more cautious answer win.

What a model can do is bounded here: its review can only add doubts, its diagnosis can only ask for more authority, its
wordings pass the same gate as everybody's, and its sentences are shown only when they lead nowhere (no links, no
mentions). Nothing that a platform or a stranger wrote can widen that, however the model is talked into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from postprober.agent import rewrite_guard, suggest
from postprober.agent.brief import Brief, Picture
from postprober.agent.diagnose import diagnose, explain, may
from postprober.agent.evidence import Evidence
from postprober.agent.language_model import LanguageModel, ModelUse, NoAnswer, Turn, always
from postprober.agent.model_answers import (
    MOST_REASONS,
    MOST_REWRITES,
    AdviceAnswer,
    DiagnosisAnswer,
    ReviewAnswer,
    bounded,
)
from postprober.agent.outgoing import Links, brief_for_model, evidence_for_model, restored
from postprober.agent.review import flagged, review
from postprober.agent.small_copy import small_copy
from postprober.clock import utc_iso
from postprober.domain.advice import RULES, Advice, Review, Suggestion, cautious
from postprober.domain.diagnosis import AUTHORITY, CAUTION, Cause, Diagnosis
from postprober.domain.post import MAX_PARTS, MediaKind

SENTENCE_CHARS = 400
ECHO_WORDS = 5  # ours: as many words in a row are a repetition, fewer may be a quote
MOST_DESCRIBED = 4  # ours: pictures of a post that a model is shown; the most that the usual platform takes
MODEL_SIGHT = 0.5  # ours: a person has to look, whatever the model says
_NO_WORDING = "The model gives no reason that can be shown."


@dataclass(frozen=True)
class Opinion:
    """A review. `note`: why not everybody who was to be asked has answered, "" otherwise. `incomplete`: the same as a
    fact: the review may become stricter once they have."""

    review: Review
    note: str = ""
    incomplete: bool = False


@dataclass(frozen=True)
class Advisor:
    """`language_model` None: none is set up, rules do the work. `use`: which spaces have agreed to ask it; None: nobody has
    to (there are no spaces, as on the command line). `space`: whose questions these are, which `of` sets."""

    language_model: LanguageModel | None = None
    use: ModelUse | None = None
    space: int | None = None

    def of(self, space: int) -> Advisor:
        """The advisor of a space."""
        return replace(self, space=space)

    def review(self, brief: Brief) -> Opinion:
        """What rules, moderation and model say together; within the model's time limit, whatever happens."""
        ours = review(brief)
        language_model, refusal = self._asked()
        if language_model is None or ours.verdict == "flagged":  # what is flagged anyway needs no second opinion
            return Opinion(ours, refusal)
        links = Links()
        sent = brief_for_model(brief, links)
        if sent is None:
            return Opinion(ours)
        turn = Turn(language_model.deadline(), self.space)
        objections, missed = _moderated(language_model, sent, turn)
        found, notes = [ours, *_moderation(language_model.by, objections)], [missed]
        try:
            found.append(_review(language_model.by, language_model.review(sent, turn), sent))
        except NoAnswer as error:
            notes.append(error.message)
        return Opinion(cautious(found), _first(notes), incomplete=any(notes))

    def advise(self, brief: Brief, wanted: Callable[[], bool] = always, earlier: Iterable[Suggestion] = ()) -> Advice:
        """Review and suggestions of both. `wanted`: whether they are still of use; nothing more is asked once they are
        not. `earlier`: suggestions that the post has; a picture that a model has described is not shown to it again."""
        plain = by_rules(brief)
        language_model, refusal = self._asked()
        if language_model is None:
            return replace(plain, note=refusal)
        links = Links()
        sent = brief_for_model(brief, links)
        if sent is None:
            return replace(plain, note="The text was not shown to the model, because the review flags it.")
        turn = Turn(language_model.deadline(), self.space, wanted)
        objections, missed = _moderated(language_model, sent, turn)
        found = [plain.review, *_moderation(language_model.by, objections)]
        try:
            answer = language_model.advise(sent, turn)
        except NoAnswer as error:
            note = _first([missed, error.message])
            return replace(plain, review=cautious(found), note=note, incomplete=True)
        told = cautious([_review(language_model.by, answer.review, sent), *found])
        theirs = _suggestions(language_model.by, answer, brief, links)
        blind = ""
        if told.verdict != "flagged" and (self.use is None or self.use.pictures(self.space)):
            described, blind = _described(language_model, brief, sent, turn, earlier)
            theirs += described
        known = {s.id for s in theirs}
        seen = {s.media_id for s in theirs if s.kind == "alt_text"}
        ours = (s for s in plain.suggestions if s.id not in known and not (s.kind == "alt_text" and s.media_id in seen))
        return replace(
            plain,
            review=told,
            suggestions=(*theirs, *ours),
            by=f"{language_model.by} and {RULES}",
            note=missed or blind,
            incomplete=bool(missed),
        )

    def diagnose(self, evidence: Evidence) -> Diagnosis:
        """The cause, and the more cautious of the two fixes."""
        ours = diagnose(evidence)
        language_model, refusal = self._asked()
        if language_model is None:
            return replace(ours, note=refusal)
        try:
            turn = Turn(language_model.deadline(), self.space)
            answer = language_model.diagnose(evidence_for_model(evidence), turn)
        except NoAnswer as error:
            return replace(ours, note=error.message)
        return _merged(evidence, ours, answer, language_model.by)

    def _asked(self) -> tuple[LanguageModel | None, str]:
        """The model, if it may be asked, and otherwise why a model that is set up may not be. The one place where that is
        decided, for reviews, suggestions, diagnoses and alt texts."""
        if self.language_model is None or self.use is None:
            return self.language_model, ""
        refusal = self.use.refusal(self.space)
        return (None, refusal) if refusal else (self.language_model, "")


def _moderated(language_model: LanguageModel, sent: Brief, turn: Turn) -> tuple[tuple[str, ...], str]:
    """(what the moderation service objects to, why it could not be asked: "" when it could). An objection must not
    depend on what is asked after it, nor that on whether moderation answers."""
    texts = (*sent.texts, *sent.beside, *(picture.file.alt for picture in sent.pictures))
    try:
        return language_model.moderated(texts, turn), ""
    except NoAnswer as error:
        return (), error.message


def _first(notes: list[str]) -> str:
    return next((note for note in notes if note), "")


def by_rules(brief: Brief, note: str = "") -> Advice:
    """What the rules alone say; no network, no key, never fails."""
    return Advice(review(brief), suggest.suggestions(brief), RULES, note, utc_iso(brief.now))


def _merged(evidence: Evidence, ours: Diagnosis, answer: DiagnosisAnswer, by: str) -> Diagnosis:
    """Agreement strengthens; otherwise the fix that needs more authority holds, and the rules' cause unless they had
    none to offer."""
    confidence = bounded(answer.confidence)
    if answer.fix is ours.fix:
        # The rules' words say what to do and are never lost; a model's are wanted only where the rules know no cause.
        theirs = shown(answer.explanation, _data(evidence)) if ours.cause is Cause.UNKNOWN else ""
        words = f"{ours.explanation} {theirs}" if theirs else ours.explanation
        return replace(ours, explanation=words, confidence=max(ours.confidence, confidence), by=f"{by} and {RULES}")
    stricter = CAUTION.index(AUTHORITY[answer.fix]) > CAUTION.index(ours.authority) and may(answer.fix, evidence)
    fix = answer.fix if stricter else ours.fix
    cause = answer.cause if ours.confidence < 0.5 and confidence > ours.confidence else ours.cause
    retryable = ours.retryable and fix is ours.fix
    return replace(
        ours,
        cause=cause,
        fix=fix,
        retryable=retryable,
        confidence=min(ours.confidence, confidence),
        explanation=explain(cause, fix, evidence),
        by=f"{by} and {RULES}" if stricter else RULES,
        note="The model and the rules disagree; the more cautious answer holds.",
    )


def _review(by: str, answer: ReviewAnswer, brief: Brief) -> Review:
    reasons = tuple(shown(reason, brief.texts) or _NO_WORDING for reason in answer.reasons[:MOST_REASONS])
    return Review(answer.verdict, reasons or (_NO_WORDING,), by, bounded(answer.confidence))


def _moderation(by: str, objections: tuple[str, ...]) -> list[Review]:
    if not objections:
        return []
    named = "; ".join(shown(word, ()) for word in objections[:MOST_REASONS])
    return [Review("flagged", (f"The moderation service objects: {named}.",), f"{by} (moderation)", 0.9)]


def shown(sentence: str, data: Iterable[str]) -> str:
    """A model's sentence, if it may be shown to a person: short, one line, it leads nowhere, and it does not repeat what
    stands in `data` (then it would be a stranger who speaks); "" otherwise."""
    line = " ".join(sentence.split())
    told = rewrite_guard.facts([line])
    if not line or len(line) > SENTENCE_CHARS or told.links or told.mentions or not line.isprintable():
        return ""
    return "" if _runs([line]) & _runs(data) else line


def _runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """Every run of five words."""
    found = set()
    for text in texts:
        words = re.findall(r"\w+", text.casefold())
        found |= set(zip(*(words[i:] for i in range(ECHO_WORDS)), strict=False))
    return found


def _data(evidence: Evidence) -> tuple[str, ...]:
    return (evidence.reason, *evidence.texts, *(text for t in evidence.tries for text in (t.reply, t.message)))


def _suggestions(by: str, answer: AdviceAnswer, brief: Brief, links: Links) -> tuple[Suggestion, ...]:
    """The model's wordings that pass the gate."""
    made: dict[str, Suggestion] = {}
    for item in answer.rewrites[:MOST_REWRITES]:
        if not 0 <= item.target < len(brief.targets) or len(item.texts) > MAX_PARTS:
            continue
        target, texts = brief.targets[item.target], restored(links, item.texts)
        if len(texts) != len(target.texts) or not suggest.allowed(target, brief, target.texts, texts):
            continue
        reason = shown(item.reason, brief.texts) or "The model prefers this wording."
        made_here = suggest.suggestion(item.kind, target, target.texts, texts, reason, by, bounded(item.confidence))
        made[made_here.id] = made_here
    return tuple(made.values())


def _described(
    language_model: LanguageModel, brief: Brief, sent: Brief, turn: Turn, earlier: Iterable[Suggestion]
) -> tuple[tuple[Suggestion, ...], str]:
    """Alt texts for pictures that have none, and why the rest has none: "" when nothing is missing."""
    known = {s.media_id: s for s in earlier if s.kind == "alt_text" and s.by != RULES}
    bare = [one for one in brief.pictures if not one.file.alt.strip() and one.file.kind is MediaKind.IMAGE]
    made = [known[one.file.id] for one in bare if one.file.id in known]
    for picture in [one for one in bare if one.file.id not in known][:MOST_DESCRIBED]:
        jpeg = small_copy(picture.file.path)
        if jpeg is None:
            continue
        try:
            made += _alt_text(language_model.by, language_model.described(jpeg, sent, turn).sentence, picture, brief)
        except NoAnswer as error:
            return tuple(made), error.message
    return tuple(made), ""


def _alt_text(by: str, sentence: str, picture: Picture, brief: Brief) -> list[Suggestion]:
    words = shown(sentence, ())
    longest = min((t.limits.max_alt for t in brief.targets if t.limits.max_alt), default=SENTENCE_CHARS)
    if not words or len(words) > longest or flagged([words]):
        return []
    reason = "The picture has no alt text; this is what the model sees in it. Check it before you apply it."
    return [suggest.suggestion("alt_text", None, ("",), (words,), reason, by, MODEL_SIGHT, media_id=picture.file.id)]
