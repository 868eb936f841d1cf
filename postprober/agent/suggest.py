"""The rules' suggestions: small, reversible changes that need no understanding, each checked by `guard` and preflight."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.agent import rewrite_guard
from postprober.agent.best_time import ENOUGH_POSTS, best_window
from postprober.agent.brief import Brief, Target
from postprober.agent.meaning import is_grave
from postprober.agent.rewrite import fits, readable, shorter, split
from postprober.agent.words import CALENDAR, COMMON, NO_TAGS
from postprober.clock import utc_iso
from postprober.domain.advice import RULES, Kind, Suggestion
from postprober.domain.entities import between
from postprober.domain.platform import NAMES, Platform
from postprober.domain.post import MAX_PARTS, MediaKind
from postprober.domain.sentences import Seam, cuts, pieces
from postprober.domain.text import find_hashtags, find_urls
from postprober.platforms.registry import SPECS

MAX_TAGS = 3
_NAMED = 4  # letters of a name that makes a hashtag; ours
PARAGRAPH = 2  # sentences; ours


def suggestions(brief: Brief) -> tuple[Suggestion, ...]:
    """Everything that the rules can propose. None breaks a limit, and none leaves out more than blanks, hashtags whose
    words stay, and sentences that only say thanks or joy; those it names in `dropped`."""
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
    dropped: Sequence[str] = (),
) -> Suggestion:
    """A suggestion with an id that the same wording gets again, so that a decision about it is remembered."""
    account = target.account_id if target else None
    told = "\x1f".join((kind, str(account), str(media_id), *before, "\x1e", *after, at or "" if kind != "time" else ""))
    digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    platform = target.platform.value if target else ""
    return Suggestion(
        digest,
        account,
        platform,
        kind,
        tuple(before),
        tuple(after),
        reason,
        by,
        confidence,
        media_id=media_id,
        at=at,
        dropped=tuple(dropped),
    )


def allowed(target: Target, brief: Brief, before: Sequence[str], after: Sequence[str]) -> bool:
    """The one gate for every rewrite, whoever made it."""
    return (
        tuple(after) != tuple(before)
        and 0 < len(after) <= MAX_PARTS
        and all(map(readable, after))
        and not rewrite_guard.problems(before, after)
        and target.fits(after, brief.files, brief.language)
    )


def _for_target(target: Target, brief: Brief) -> Iterator[Suggestion]:
    if not all(map(readable, target.texts)):
        return
    if too_long(target, brief):
        yield from _fitted(target, brief)
        return
    if len(target.texts) != 1:
        return
    text, name = target.texts[0], NAMES[target.platform]
    changes: tuple[tuple[Kind, str, str], ...] = (
        ("variant", _paragraphs(text, target.platform), f"Long posts without a break are hard to read on {name}."),
        ("hashtags", _tagged(text, target.platform), f"People on {name} find posts by their hashtags."),
    )
    for kind, after, reason in changes:
        if after and allowed(target, brief, target.texts, (after,)):
            yield suggestion(kind, target, target.texts, (after,), reason, RULES, 0.5)


def too_long(target: Target, brief: Brief) -> bool:
    """Whether a part of the post is too long for the platform."""
    limits = target.limits.of_part(with_media=bool(brief.files))
    return not all(fits(text, limits) for text in target.texts)


def _fitted(target: Target, brief: Brief) -> Iterator[Suggestion]:
    """Texts that fit where those of the target do not: a thread, which loses nothing, and beside it the text without
    what may be missing."""
    limits, name = target.limits.of_part(with_media=bool(brief.files)), NAMES[target.platform]
    if limits.threads:
        after = tuple(piece for text in target.texts for piece in split(text, limits))
        if allowed(target, brief, target.texts, after):
            reason = (
                f"Too long for one post on {name}. As a thread of {len(after)} posts it fits, and nothing is left out."
            )
            yield suggestion("thread", target, target.texts, after, reason, RULES, 0.8)
    made = shorter(target.texts[0], limits) if len(target.texts) == 1 else None
    if made and allowed(target, brief, target.texts, (made.text,)):
        how = "; everything left out is listed" if made.dropped else " by removing blank space"
        reason = f"Too long for {name}. Shortened to one post{how}."
        yield suggestion("variant", target, target.texts, (made.text,), reason, RULES, 0.5, dropped=made.dropped)


def _paragraphs(text: str, platform: Platform) -> str:
    """A long text without a break, in paragraphs that end where sentences that stand by themselves do."""
    wall = SPECS[platform].habits.wall
    if wall is None or "\n" in text or len(text) <= wall:
        return ""
    ends = {cut.start for cut in cuts(text) if cut.seam is Seam.SENTENCE}
    made, place, count = "", 0, 0
    for piece in pieces(text):
        place += len(piece)
        count += 1
        broken = count >= PARAGRAPH and place in ends
        made += piece.rstrip() + "\n\n" if broken else piece
        count = 0 if broken else count
    return made.strip() if "\n" in made.strip() else ""


def _tagged(text: str, platform: Platform) -> str:
    """Up to three hashtags from names that the text repeats. None on grave news, and none beside hashtags that the
    author has chosen."""
    if not SPECS[platform].habits.hashtags or find_hashtags(text) or is_grave(text):
        return ""
    plain = regex.sub(r"@\S+", " ", "\n".join(between(text, find_urls(text))))
    counts = Counter(word for sentence in pieces(plain) for word in _names(sentence))
    lower = set(regex.findall(r"(?<!\w)\p{Ll}[\p{L}\p{M}]+", plain))
    chosen = [word for word, count in counts.most_common() if count >= 2 and word.casefold() not in lower][:MAX_TAGS]
    return f"{text.rstrip()}\n\n{' '.join('#' + word for word in chosen)}" if chosen else ""


_NAME = regex.compile(r"(?<![\w.'\u2019-])\p{Lu}[\p{L}\p{M}]+(?![\w'\u2019-])")
_ANY_NAME = regex.compile(r"\s*(?:\p{Lu}|\p{N})")


def _names(sentence: str) -> Iterator[str]:
    """Words with a capital inside of `sentence` that stand alone: "York" of "New York" is no name of anything."""
    for match in _NAME.finditer(sentence):
        before = sentence[: match.start()].rstrip()
        last = before.rsplit(None, 1)[-1] if before else ""
        beside = (
            _ANY_NAME.match(sentence, match.end())
            or last[:1].isupper()
            or last[-1:] in '.:!?\u2026\u201c\u201e\u00ab"('
        )
        word = match[0]
        if last and not beside and len(word) >= _NAMED and word.casefold() not in COMMON | CALENDAR | NO_TAGS:
            yield word


def _alt_texts(brief: Brief) -> Iterator[Suggestion]:
    """A reminder; what can be seen in a picture is nothing that rules know."""
    for picture in brief.pictures:
        if picture.file.kind in (MediaKind.IMAGE, MediaKind.GIF) and not picture.file.alt.strip():
            reason = "The picture has no description. Describe it for people who can't see it."
            yield suggestion("alt_text", None, ("",), (), reason, RULES, 0.0, media_id=picture.file.id)


def _times(brief: Brief) -> Iterator[Suggestion]:
    """One for the post: it goes out at one time everywhere."""
    accounts = {target.account_id: target.past for target in brief.targets if target.account_id is not None}
    if not accounts:
        return
    count = sum(map(len, accounts.values()))
    best = best_window(accounts.values(), brief.zone)
    if best is not None:
        reason = (
            f"Posts between {best.hour}:00 and {best.until}:00 ({brief.zone}) did better than the others: {best.inside} of "
            f"{best.posts} posts, by reactions after 24 hours. Chance hardly explains the difference."
        )
        at = utc_iso(_next(best.hour, brief.now, brief.zone))
        yield suggestion("time", None, (), (), reason, RULES, 1 - best.chance, at=at)
    elif count < ENOUGH_POSTS:
        reason = f"There is not enough data yet: {count} of the {ENOUGH_POSTS} posts with metrics that are needed."
        yield suggestion("time", None, (), (), reason, RULES, 0.0)
    else:
        reason = f"No time of day stands out: chance explains the differences between {count} posts."
        yield suggestion("time", None, (), (), reason, RULES, 0.0)


def _next(hour: int, now: datetime, zone: str) -> datetime:
    local = now.astimezone(ZoneInfo(zone))
    moment = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    return moment if moment > local else moment + timedelta(days=1)
