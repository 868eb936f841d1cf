"""Whether what is shown is what was sent. Pure.

Platforms change texts on the way in ways a reader does not mind: links are shortened or lose their scheme, mentions lose
their server, previews show only the beginning, a link to the media is added, and some servers of the Fediverse show `*word*`
as a word in italics. These are undone; everything else counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from postprober.domain import options
from postprober.domain.card import LinkCard
from postprober.domain.links import astray, readable_host, same_target
from postprober.domain.mentions import as_names, spelled, without_hosts
from postprober.domain.platform import Platform, media_hosts, shorteners
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.public_look import Look
from postprober.domain.remote import RemoteCard, RemoteMedia, RemotePost
from postprober.domain.subtitles import language_in
from postprober.domain.text import find_urls, normalise, same_text

TEXT_DIFFERS = "The text differs from what was sent."
ENOUGH = 20  # characters of a beginning that make it unlikely to be another post's
LONG = (
    280  # characters of a post that every platform shows whole; the shortest limit of all (platforms/NAME/facts.md, 3)
)
SHAPE_SLACK = 0.02  # of a ratio
_CUT = re.compile(r"(?<!\s)\s*(?:…|\.\.\.|\[…\])\s*$")
_QUOTED = re.compile(r"^[\"“](.*)[\"”]$", re.DOTALL)
# Markdown's marks around words, as snac and others read them (https://spec.commonmark.org/0.31.2/#emphasis-and-strong-emphasis);
# at most 500 characters, so that no text keeps us busy.
_MARKS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|~~|`)(?=\S)(.{1,500}?)(?<=\S)\1(?!\w)")
_MOVING = frozenset({"gif", "video"})


@cache
def _media_link() -> re.Pattern[str]:
    """What a platform puts behind the text for its media."""
    return re.compile(rf"(?<!\s)\s*(?:https?://)?(?:{_any_of(media_hosts())})/\w+\s*$")


@cache
def _short() -> re.Pattern[str]:
    """A platform's own shortened link."""
    return re.compile(rf"^(?:https?://)?(?:{_any_of(shorteners())})/[\w-]+$", re.IGNORECASE)


def _any_of(hosts: Sequence[str]) -> str:
    return "|".join(map(re.escape, hosts))


@dataclass(frozen=True)
class Comparison:
    """`matches` None: the reading shows too little to tell. `differences` and `notes` are plain sentences; a note is
    no fault (only the beginning is shown, links are shortened)."""

    matches: bool | None
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def compare(
    sent_text: str,
    sent_media: Sequence[MediaFile],
    read: Look | RemotePost,
    *,
    author: str = "",
    asked: options.AskedFor = options.NOTHING_ASKED,
    card: LinkCard | None = None,
) -> Comparison:
    """Compare one part with what a reader or its owner sees. `author`: handle or id it must be by ("": not checked);
    `asked`: its options, of which this reader may be told some; `card`: of its link, None when none was sent."""
    same, notes = _compare_text(sent_text, read, bool(sent_media))
    differences: list[str] = []
    if same is False:
        differences.append(TEXT_DIFFERS)
    differences += _compare_links(sent_text, read)
    if not (
        isinstance(read, Look) and any(file.kind is MediaKind.DOCUMENT for file in sent_media)
    ):  # pages show one in a viewer of their own
        differences += compare_media(sent_media, read.media, asked)
    differences += _compare_author(author, read)
    differences += options.compare(asked, read.options)[0]
    if card is not None:
        wrong, unseen = _compare_card(card, read.cards)
        differences += wrong
        notes = (*notes, *unseen)
    elif read.cards:
        notes = (*notes, "A link card is shown that was not sent.")
    if differences:
        return Comparison(False, tuple(differences), notes)
    return Comparison(same, (), notes)


def compare_mentions(sent: str, platform: Platform, read: str) -> list[str]:
    """Whom of those that a text mentions by their ids its owner does not find mentioned."""
    left = [(one.name, one.target) for one in spelled(read, platform)]
    differences = []
    for one in spelled(sent, platform):
        if (one.name, one.target) in left:
            left.remove((one.name, one.target))
        else:
            differences.append(f"{one.name} is not mentioned there.")
    return differences


def _compare_text(sent: str, read: Look | RemotePost, with_media: bool) -> tuple[bool | None, tuple[str, ...]]:
    shown = read.text
    if shown is None:
        return None, ("The text is not shown there.",)
    sent, shown = as_names(sent), as_names(shown)
    if same_text(sent, shown):
        return True, ()
    for variant, note in _variants(sent, shown, with_media):
        if same_text(sent, variant):
            return True, (note,) if note else ()
    if isinstance(read, Look) and _MARKS.search(sent) and same_text(_unmarked(sent), without_hosts(shown)):
        return True, ("Marks like * and _ are shown as formatting.",)
    partial = isinstance(read, Look) and read.partial
    for variant, _ in _variants(sent, shown, with_media):
        beginning = _beginning(variant, partial)
        if beginning is None:
            continue
        plain, whole = _plain(beginning), _plain(sent)
        if whole.startswith(plain):
            if len(plain) >= min(ENOUGH, len(whole)):
                return True, ("Only the beginning is shown, and it is what was sent.",)
            return None, ("Too little of the text is shown to tell.",)
    return False, ()


def _variants(sent: str, shown: str, with_media: bool) -> list[tuple[str, str]]:
    """`shown` with one after another of the harmless changes undone, and what was undone. Hosts of mentions are put
    back by writing the mentions as they were sent."""
    found: list[tuple[str, str]] = []
    texts = [shown]
    quoted = _QUOTED.match(shown.strip())
    if quoted:
        texts.append(quoted[1])
    if with_media or len(sent) > LONG:  # a long post may be cut, with a link to the whole of it
        texts += [_media_link().sub("", text) for text in list(texts)]
    for text in texts:
        long = _with_long_links(sent, text)
        found.append((_with_sent_mentions(sent, text), ""))
        found.append((_with_sent_mentions(sent, long), "Links are shown shortened." if long != text else ""))
    return found


def _unmarked(sent: str) -> str:
    """`sent` as it is shown where Markdown is read: without the marks around words, and without servers of mentions."""
    return _MARKS.sub(r"\2", without_hosts(sent))


def _with_sent_mentions(sent: str, shown: str) -> str:
    """`shown` with its mentions as in `sent`, if the texts are the same but for the servers of the mentions."""
    return sent if same_text(without_hosts(sent), without_hosts(shown)) else shown


def _with_long_links(sent: str, shown: str) -> str:
    """`shown` with shortened links replaced by the links of `sent`, in their order."""
    originals = [span.text for span in find_urls(sent)]
    pieces: list[str] = []
    at = index = 0
    for span in find_urls(shown):
        if span.start < at or index >= len(originals):
            continue
        end = span.end
        cut = _CUT_LINK.match(shown, end)
        if _is_short_for(span.text, originals[index], cut is not None):
            pieces += [shown[at : span.start], originals[index]]
            at = cut.end() if cut else end
        index += 1
    return "".join([*pieces, shown[at:]])


_CUT_LINK = re.compile(r"[./?&=\w-]*(?:…|\.\.\.)")


def _is_short_for(shown: str, original: str, cut: bool) -> bool:
    if _short().match(shown):
        return True
    bare, whole = _bare(shown), _bare(original)
    return bool(bare) and (whole.startswith(bare) if cut else whole.rstrip("/") == bare.rstrip("/"))


def _bare(url: str) -> str:
    """Without scheme and `www.`, host in lower case and not in Punycode, as links are displayed."""
    rest = re.sub(r"^https?://", "", url, flags=re.IGNORECASE)
    host, slash, path = rest.partition("/")
    return readable_host(host).removeprefix("www.") + slash + path


def _beginning(shown: str, partial: bool) -> str | None:
    """The shown beginning of a text without its mark of cutting; None when nothing says that it is only a beginning."""
    cut = _CUT.search(shown)
    if cut:
        return shown[: cut.start()]
    return shown if partial else None


def _plain(text: str) -> str:
    """For comparing beginnings: one kind of blank, mentions without servers, links without schemes."""
    text = re.sub(r"https?://(?:www\.)?", "", without_hosts(normalise(text)), flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text).strip()


def _compare_links(sent: str, read: Look | RemotePost) -> list[str]:
    """A reader follows links, so a whole text whose links lead elsewhere is not what was sent."""
    if read.links is None or any(_short().match(target) for target in read.links) or getattr(read, "partial", False):
        return []
    return [
        f"The link {wanted} leads to {found}." if found else f"The link {wanted} cannot be followed there."
        for wanted, found in astray(sent, read.links)
    ]


def compare_media(sent: Sequence[MediaFile], shown: Sequence[RemoteMedia] | None, asked: options.AskedFor) -> list[str]:
    """What of the files is not as it was sent, as plain sentences."""
    if shown is None:
        return []
    tracks = [file for file in sent if file.kind is MediaKind.SUBTITLES]
    sent = [file for file in sent if file.kind is not MediaKind.SUBTITLES]
    if len(sent) != len(shown):
        return [f"{len(shown)} media are shown and {len(sent)} were sent."]
    differences: list[str] = []
    for number, (file, item) in enumerate(zip(sent, shown, strict=True), start=1):
        kind = file.kind.value
        if item.may_move and (kind, item.kind) == ("gif", "image"):
            kind = "image"
        if item.kind != kind and not {item.kind, kind} <= _MOVING:
            differences.append(f"Medium {number} is shown as {item.kind} and was sent as {kind}.")
        if file.alt and item.alt is not None and normalise(item.alt) != normalise(file.alt):
            what = "differs from what was sent" if item.alt else "is missing"
            differences.append(f"The alternative text of medium {number} {what}.")
        if file.crop is not None and item.size is not None and not _same_shape((file.width, file.height), item.size):
            shown_as = "{} by {}".format(*item.size)
            differences.append(f"Medium {number} is shown as {shown_as} pixels, which is not the crop that was sent.")
        if file.kind is MediaKind.VIDEO and item.subtitles is not None:
            differences += _subtitles(tracks, item.subtitles)
        if file.kind is MediaKind.DOCUMENT and item.title is not None:
            title = asked.options.of(asked.stored).title_of(file)
            if title and normalise(title) != normalise(item.title):
                differences.append(f"The document is shown as “{item.title[:80]}” and was sent as “{title[:80]}”.")
    return differences


def _same_shape(sent: tuple[int, int], shown: tuple[int, int]) -> bool:
    """Whether one is the other made smaller; a pixel of rounding counts for nothing."""
    wide, high = shown[0] * sent[1], shown[1] * sent[0]
    return abs(wide - high) <= SHAPE_SLACK * max(wide, high)


def _subtitles(sent: Sequence[MediaFile], shown: Sequence[str]) -> list[str]:
    """`shown`: their languages. Which one a file without one in its name has, the post says."""
    if len(sent) != len(shown):
        return [f"{len(shown)} subtitles are shown and {len(sent)} were sent."]
    spoken = {one.casefold() for one in shown}
    named = [language_in(file.name) for file in sent]
    return [f"The subtitles in {one} are missing." for one in named if one and one.casefold() not in spoken]


def _compare_card(sent: LinkCard, shown: Sequence[RemoteCard] | None) -> tuple[list[str], list[str]]:
    """What of the card is not as it was sent, and what of it could not be seen."""
    if shown is None:
        return [], ["Whether the link card is shown could not be seen."]
    if not shown:
        return ["The link card is missing."], []
    card = next((one for one in shown if same_target(one.url, sent.url)), shown[0])
    wrong, unseen = [], []
    if not same_target(card.url, sent.url):
        wrong.append(f"The link card leads to {card.url} and was sent with {sent.url}.")
    if normalise(card.title) != normalise(sent.title):
        wrong.append("The title of the link card differs from what was sent.")
    if card.description is None:
        unseen += ["The description of the link card could not be seen."] if sent.description else []
    elif normalise(card.description) != normalise(sent.description):
        what = "differs from what was sent" if card.description.strip() else "is missing"
        wrong.append(f"The description of the link card {what}.")
    if sent.picture is not None and card.picture is None:
        unseen.append("The picture of the link card could not be seen.")
    elif sent.picture is not None and not card.picture:
        wrong.append("The picture of the link card is missing.")
    return wrong, unseen


def _compare_author(author: str, read: Look | RemotePost) -> list[str]:
    if isinstance(read, Look):
        known = {read.author} if read.author else set()
    else:
        known = {name for name in (read.author_id, read.author_name) if name}
    if not author or not known or _handle(author) in {_handle(name) for name in known}:
        return []
    return [f"It is shown as by {min(known)} and was sent by {author}."]


def _handle(name: str) -> str:
    """A handle without `@` and server; ids (`did:…`, `urn:…`) as they are."""
    return name.lstrip("@").split("@")[0].casefold()
