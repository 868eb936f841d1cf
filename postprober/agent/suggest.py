"""The rules' suggestions: small, reversible changes that need no understanding, each checked by `guard` and preflight."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from postprober.agent import rewrite_guard
from postprober.agent.brief import Brief, Target
from postprober.agent.rewrite import MOST_PARTS, readable, shortened, split
from postprober.agent.words import CAMERA_NAMES, COMMON, GREETINGS, any_of
from postprober.clock import utc_iso
from postprober.domain.advice import RULES, Kind, Suggestion
from postprober.domain.platform import NAMES, Platform
from postprober.domain.post import MediaKind
from postprober.domain.text import find_hashtags, find_urls
from postprober.platforms.registry import SPECS

ENOUGH_POSTS = 10  # ours: fewer say more about chance than about the hour
HOOK_CHARS = 120  # ours: about what a phone shows before "more"
MAX_TAGS = 3
_SENTENCES = re.compile(r"(?<=[.!?\u2026])\s+")
_WORD = re.compile(r"[^\W\d_]{5,}")
_GREETING = re.compile(rf"(?:{any_of(GREETINGS)})\b[^.!?\n]{{0,40}}[,!.]", re.IGNORECASE)
_CAMERA_NAME = re.compile(rf"^(?:{any_of(CAMERA_NAMES)})?[\W_\d]*$", re.IGNORECASE)


def suggestions(brief: Brief) -> tuple[Suggestion, ...]:
    """Everything that the rules can propose. None breaks a limit or loses a link, mention, number, name or quote."""
    made = [s for target in brief.targets for s in _for_target(target, brief)]
    return (*made, *_alt_texts(brief), *_times(brief))


def suggestion(
    kind: Kind,
    target: Target | None,
    before: Sequence[str],
    after: Sequence[str],
    reason: str,
    by: str,
    confidence: float,
    *,
    media_id: int | None = None,
    at: str | None = None,
) -> Suggestion:
    """A suggestion with an id that the same proposal gets again, so that a decision about it is remembered."""
    account = target.account_id if target else None
    told = "\x1f".join((kind, str(account), str(media_id), *before, "\x1e", *after, at or "" if kind != "time" else ""))
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    platform = target.platform.value if target else ""
    return Suggestion(
        digest, account, platform, kind, tuple(before), tuple(after), reason, by, confidence, media_id=media_id, at=at
    )


def allowed(target: Target, brief: Brief, before: Sequence[str], after: Sequence[str]) -> bool:
    """The one gate for every rewrite, whoever made it."""
    return (
        tuple(after) != tuple(before)
        and 0 < len(after) <= MOST_PARTS
        and all(map(readable, after))
        and not rewrite_guard.problems(before, after)
        and target.fits(after, brief.files, brief.language)
    )


def _for_target(target: Target, brief: Brief) -> Iterator[Suggestion]:
    if not all(map(readable, target.texts)):
        return
    name = NAMES[target.platform]
    fitted = _fitted(target, brief)
    if fitted is not None:
        kind: Kind = "thread" if len(fitted) > len(target.texts) else "variant"
        reason = (
            f"It is too long for one post on {name}; cut at the ends of sentences it makes {len(fitted)}."
            if kind == "thread"
            else f"It is too long for {name}; this is the same, shorter."
        )
        yield suggestion(kind, target, target.texts, fitted, reason, RULES, 0.8)
        return
    if len(target.texts) != 1:
        return
    text = target.texts[0]
    for kind, after, reason in (
        ("variant", _customs(text, target.platform), f"This is how posts on {name} usually look."),
        ("hook", _hook(text), "The first line decides whether people read on; this one says more."),
        ("hashtags", _tagged(text, target.platform), f"People on {name} find posts by their hashtags."),
    ):
        if after and allowed(target, brief, target.texts, (after,)):
            yield suggestion(kind, target, target.texts, (after,), reason, RULES, 0.5)


def _fitted(target: Target, brief: Brief) -> tuple[str, ...] | None:
    """Texts that fit where those of the target do not; None when nothing has to be done, or can be."""
    limits = target.limits.of_part(with_media=bool(brief.files))
    length = limits.counter()
    too_long = [text for text in target.texts if length(text) > limits.max_length]
    if not too_long and target.fits(target.texts, brief.files, brief.language):
        return None
    candidates: list[tuple[str, ...]] = []
    if len(target.texts) == 1:
        candidates.append((shortened(target.texts[0], limits),))
    if target.limits.threads:
        candidates.append(tuple(piece for text in target.texts for piece in split(text, limits)))
    return next((after for after in candidates if allowed(target, brief, target.texts, after)), None)


def _customs(text: str, platform: Platform) -> str:
    habits = SPECS[platform].habits
    if habits.hashtags == "at the end":
        return _tags_last(text)
    if habits.wall is not None and "\n" not in text and len(text) > habits.wall:
        sentences = _SENTENCES.split(text.strip())
        return "\n\n".join(" ".join(sentences[i : i + 2]) for i in range(0, len(sentences), 2))
    return ""


def _tags_last(text: str) -> str:
    """Hashtags that stand alone between sentences go to the end; a tag that is part of a sentence stays."""
    spans = find_hashtags(text)
    loose = [s for s in spans if re.match(r"\s*(?:#|$|\n)", text[s.end :]) and s.end < len(text.rstrip())]
    body = text
    for span in reversed(loose):
        body = body[: span.start] + body[span.end :]
    tail = " ".join(span.text for span in loose)
    body = re.sub(r"[ \t]{2,}", " ", body).strip()
    return f"{body}\n\n{tail}" if loose and body else ""


def _hook(text: str) -> str:
    """A greeting or a long first sentence makes room for a short one with a question or a number."""
    first, *rest = _SENTENCES.split(text.strip())
    if len(rest) < 2 or not (_GREETING.match(first) or len(first) > HOOK_CHARS):
        return ""
    for index, sentence in enumerate(rest):
        telling = sentence.endswith("?") or re.search(r"\d", sentence)
        if telling and len(sentence) <= HOOK_CHARS and not find_urls(sentence) and "\n" not in sentence:
            others = [first, *rest[:index], *rest[index + 1 :]]
            return f"{sentence}\n\n{' '.join(others)}"
    return ""


def _tagged(text: str, platform: Platform) -> str:
    """Up to three hashtags from words that the text itself repeats."""
    if not SPECS[platform].habits.hashtags or find_hashtags(text):
        return ""
    plain = text
    for span in reversed(find_urls(text)):
        plain = plain[: span.start] + " " + plain[span.end :]
    counts = Counter(word.casefold() for word in _WORD.findall(re.sub(r"@\S+", " ", plain)))
    chosen = [word for word, count in counts.most_common() if count >= 2 and word not in COMMON][:MAX_TAGS]
    return f"{text.rstrip()}\n\n{' '.join('#' + word for word in chosen)}" if chosen else ""


def _alt_texts(brief: Brief) -> Iterator[Suggestion]:
    most = min((target.limits.max_alt or 10_000 for target in brief.targets), default=10_000)
    for picture in brief.pictures:
        if picture.file.kind is MediaKind.VIDEO or picture.file.alt.strip():
            continue
        words = _from_name(picture.name)[:most]
        reason = (
            "The picture has no description; this is what its file name says. Please check it."
            if words
            else "The picture has no description, and its name says nothing. Please write what can be seen in it."
        )
        after = (words,) if words else ()
        yield suggestion("alt_text", None, ("",), after, reason, RULES, 0.4 if words else 0.0, media_id=picture.file.id)


def _from_name(name: str) -> str:
    stem = Path(name).stem
    if _CAMERA_NAME.match(stem) or re.fullmatch(r"[0-9a-f-]{16,}", stem):
        return ""
    words = " ".join(word for word in re.split(r"[\W_]+", stem) if word and not re.fullmatch(r"\d{4,}", word))
    return words[:1].upper() + words[1:] if len(words.split()) >= 2 else ""


def _times(brief: Brief) -> Iterator[Suggestion]:
    for target in brief.targets:
        if target.account_id is None:
            continue
        best = best_hour(target, brief.zone)
        if best is None:
            reason = f"There is not enough data yet: {len(target.past)} of the {ENOUGH_POSTS} posts with metrics that are needed."
            yield suggestion("time", target, (), (), reason, RULES, 0.0)
            continue
        hour, mean, overall, count = best
        reason = (
            f"Posts of this account between {hour}:00 and {hour + 1}:00 ({brief.zone}) had {mean:.1f} reactions after "
            f"24 hours on average, all of them {overall:.1f} ({len(target.past)} posts, {count} of them in that hour)."
        )
        at = utc_iso(_next(hour, brief.now, brief.zone))
        yield suggestion("time", target, (), (), reason, RULES, min(0.9, 0.3 + count / 20), at=at)


def best_hour(target: Target, zone: str) -> tuple[int, float, float, int] | None:
    """(hour of the day in `zone`, its mean reach, the mean of all, posts in that hour); None with too little data."""
    if len(target.past) < ENOUGH_POSTS:
        return None
    by_hour: dict[int, list[int]] = defaultdict(list)
    for past in target.past:
        by_hour[past.published_at.astimezone(ZoneInfo(zone)).hour].append(past.reached)
    usable = {hour: values for hour, values in by_hour.items() if len(values) >= 3}
    overall = sum(past.reached for past in target.past) / len(target.past)
    if not usable or overall <= 0:
        return None
    hour = max(usable, key=lambda h: sum(usable[h]) / len(usable[h]))
    mean = sum(usable[hour]) / len(usable[hour])
    return (hour, mean, overall, len(usable[hour])) if mean > overall else None


def _next(hour: int, now: datetime, zone: str) -> datetime:
    local = now.astimezone(ZoneInfo(zone))
    moment = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    return moment if moment > local else moment + timedelta(days=1)
