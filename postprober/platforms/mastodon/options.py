"""What a post on Mastodon may ask for (mastodon/facts.md, 2 and 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from postprober.domain.addresses import split
from postprober.domain.limits import Limits
from postprober.domain.nested import dig, list_at, text_at
from postprober.domain.options import PictureOptions, option, poll_problems
from postprober.domain.post import LANGUAGE, Draft, PreflightNote, Violation
from postprober.platforms.common.links import PastedLink
from postprober.platforms.common.replies import parse_time
from postprober.platforms.mastodon import links
from postprober.platforms.mastodon.software import ServerSoftware, language_for, software_for

SHORTEST_POLL, LONGEST_POLL = 5, 43_200  # minutes: mastodon/facts.md, 3
_AUDIENCES = {
    "public": "Everybody",
    "unlisted": "Everybody, but not in public timelines",
    "followers": "Followers only",
}
_QUOTERS = {
    "": "As set in your account",
    "public": "Everybody",
    "followers": "Your followers",
    "nobody": "Only you",
}
_PENDING = "pending"  # a quote that its author has not accepted yet (mastodon/facts.md, 3)
_SHOWN = frozenset({"accepted", "blocked_account", "blocked_domain", "muted_account"})  # these name what is quoted
# How the API calls them (docs.joinmastodon.org/entities/Status/#visibility).
VISIBILITIES = {"public": "public", "unlisted": "unlisted", "followers": "private"}
# Of a text that Markdown would change: marks around words, lists, headings, quotes, labelled links, escapes
# (https://spec.commonmark.org/0.31.2/).
_MARKDOWN = re.compile(
    r"(?<!\w)([*_`]|~~)(?=\S)[^\n]*?\S?\1|^ {0,3}(?:[-+*>]|#{1,6}|\d{1,9}[.)])\s|\]\(|\\[!-/:-@\[-`{-~]", re.MULTILINE
)


class MastodonOptions(PictureOptions):
    content_warning: str = option(
        "",
        "Content warning",
        "Shown in place of the post until a reader opens it; counts as text.",
        most=500,
        visible=True,
        form="content warning",
    )
    sensitive: bool = option(
        False,
        "Mark media as sensitive",
        "Pictures and videos are blurred until a reader opens them.",
        account_decides=True,
        form="sensitive media",
    )
    audience: Literal["public", "unlisted", "followers"] = option(
        "public",
        "Who can see it",
        "What only followers see cannot be checked by a stranger.",
        choices=_AUDIENCES,
        form="audience",
    )
    poll_choices: tuple[str, ...] = option(
        (),
        "Poll choices",
        "2 to 4 choices; a poll takes no pictures.",
        each=500,
        visible=True,
        first_only=True,
        form="poll",
    )
    poll_minutes: int = option(
        1440,
        "Poll length",
        "How long people can vote.",
        least=SHORTEST_POLL,
        most=LONGEST_POLL,
        kind="minutes",
        first_only=True,
    )
    poll_multiple: bool = option(False, "Poll: several answers", "People may choose more than one.", first_only=True)

    quote: str = option(
        "",
        "Quote a post",
        "Its link, on any server. Its author decides who may quote it.",
        most=300,
        kind="link",
        first_only=True,
        form="quote",
    )
    who_can_quote: Literal["", "public", "followers", "nobody"] = option(
        "",
        "Who can quote it",
        "A post for followers only can be quoted by nobody else.",
        choices=_QUOTERS,
        account_decides=True,
        form="who can quote",
    )
    language: str = option(
        "",
        "Language",
        "Such as de or zh-TW, instead of the language of the post. Mastodon keeps the region for Chinese only.",
        most=35,
        account_decides=True,
        form="language with region",
    )

    @property
    def is_public(self) -> bool:
        return self.audience != "followers"

    @property
    def may_be_hidden(self) -> bool:
        return self.audience == "unlisted"

    @classmethod
    def alike(cls, name: str, sent: Any, shown: Any) -> bool:
        """A quoted post has the address of its author's server and an id on this one, and either may have been pasted. Of a
        language the server may keep the region or not."""
        if name == "quote":
            return same_post(str(sent), str(shown))
        return name == "language" and bool(sent) and tag(str(shown)) in (tag(str(sent)), tag(str(sent)).split("-")[0])

    @classmethod
    def unread(cls, name: str, shown: Mapping[str, Any]) -> str:
        if name == "quote" and shown.get("quote_state") == _PENDING:
            return "its author has not accepted the quote yet, so nobody sees it"
        return super().unread(name, shown)

    def problems(self, draft: Draft, limits: Limits) -> Iterator[Violation | PreflightNote]:
        software = software_for(limits)
        yield from self._warning(draft, limits, software)
        yield from _reading(draft, software)
        if self.audience == "unlisted" and not software.shows_unlisted:
            text = f"{software.title} shows unlisted posts to nobody who is not signed in, so only you can check that it is there."
            yield PreflightNote("unlisted_hidden", text)
        yield from self._poll(draft, limits)
        yield from self._quote(draft)
        if self.language and not re.fullmatch(LANGUAGE, self.language):
            yield Violation(
                "language_unreadable", f"{self.language!r} is no language tag; write one such as de or zh-TW."
            )
        elif self.language and software.languages == "two letters" and len(self.language.partition("-")[0]) != 2:
            text = f"Choose a language of two letters, such as de: {software.title} takes no {self.language!r}."
            yield Violation("language_unsupported", text)

    def _warning(self, draft: Draft, limits: Limits, software: ServerSoftware) -> Iterator[Violation]:
        """The warning counts with the text, or apart from it."""
        if software.most_warning is not None:
            if (over := len(self.content_warning) - software.most_warning) > 0:
                message = f"Shorten the content warning by {over:,}: {software.title} allows {software.most_warning:,}."
                yield Violation("warning_too_long", message, over)
            return
        warning = limits.length(self.content_warning) if self.content_warning else 0
        for index, part in enumerate(draft.parts):
            over = limits.length(part.text) + warning - limits.max_length
            if warning and 0 < over <= warning:  # without the warning it would fit
                message = f"Shorten the text or the content warning by {over:,}: together they may have {limits.max_length:,}."
                yield Violation("text_too_long", message, over, index)

    def _quote(self, draft: Draft) -> Iterator[Violation]:
        if self.quote and not may_be_post(self.quote):
            text = "Paste the link of the post to quote, such as https://mastodon.social/@ann/109372843234."
            yield Violation("quote_unreadable", text)
        if self.quote and draft.parts and (draft.parts[0].media or self.poll_choices):
            yield Violation(
                "quote_with_media", "Leave out the quote, or the files and the poll: Mastodon takes one of them."
            )
        if self.audience == "followers" and self.who_can_quote not in ("", "nobody"):
            text = "Leave out who can quote it: a post for followers only can be quoted by nobody else."
            yield Violation("quote_policy_private", text)

    def _poll(self, draft: Draft, limits: Limits) -> Iterator[Violation]:
        choices = self.poll_choices
        if not choices:
            return
        rule = limits.poll
        if rule is None:
            yield Violation("poll_unsupported", "This server takes no polls; leave out the poll's choices.")
            return
        if draft.parts and draft.parts[0].media:
            yield Violation("poll_with_media", "Leave out the poll or the files: Mastodon takes one or the other.")
        yield from poll_problems(rule, "this server", choices, self.poll_minutes)


def _reading(draft: Draft, software: ServerSoftware) -> Iterator[Violation | PreflightNote]:
    """What the server takes out of a text, or reads in it."""
    for index, part in enumerate(draft.parts):
        taken = software.removes.search(part.text) if software.removes else None
        if taken:
            shown = part.text[taken.start() : taken.start() + 20]
            text = f"Rewrite “{shown}”: {software.title} takes out what looks like HTML. A space behind the “<” helps."
            yield Violation("html_removed", text, 0, index)
        if software.markdown and _MARKDOWN.search(part.text):
            text = f"{software.title} reads texts as Markdown, so marks such as * and # are shown as formatting."
            yield PreflightNote("markdown_read", text)


def quoted_id(link: str) -> str:
    """The id in a post's link, on the server that the link leads to; "" for what is no link of a post."""
    host = split(link.strip()).hostname
    return links.remote_id(PastedLink.read(link, account_id="", handle="")) if host else ""


def may_be_post(link: str) -> bool:
    """Whether a post may lie behind it: servers of other kinds name theirs otherwise (`/notes/9abc`)."""
    parts = split(link.strip())
    return bool(quoted_id(link)) or bool(
        parts.hostname and len([piece for piece in parts.path.split("/") if piece]) > 1
    )


def same_post(link: str, told: str) -> bool:
    """Whether `link` leads to one of the posts in `told`: addresses, and ids on the account's own server, separated by spaces. A
    post has one address at its author's server, and an id at each; the same id at two servers is two posts."""
    named = {quoted_id(link)} - {""}
    return bool(_addresses(link) & _addresses(told) or named & {word for word in told.split() if not _host(word)})


def _addresses(told: str) -> set[str]:
    """Each address as it stands, and as server and id, which all forms of one have in common."""
    return {
        name
        for word in told.split()
        if (host := _host(word))
        for name in (word.rstrip("/"), f"{host} {quoted_id(word)}" if quoted_id(word) else word.rstrip("/"))
    }


def _host(word: str) -> str:
    return split(word).netloc.lower()


def tag(language: str) -> str:
    """`zh-tw` as servers write it: `zh-TW`."""
    first, dash, region = language.partition("-")
    return first.lower() + (f"-{region.upper()}" if dash and len(region) in (2, 3) else dash + region)


def asked(options: MastodonOptions, software: ServerSoftware, *, first: bool) -> dict[str, object]:
    """The fields of `POST /api/v1/statuses` for them, but for the quoted post, whose id was looked up before."""
    body: dict[str, object] = {"visibility": VISIBILITIES[options.audience]}
    if options.content_warning:
        body["spoiler_text"] = options.content_warning
    if options.sensitive or (options.content_warning and software.warning_needs_sensitive):
        body["sensitive"] = True
    if options.who_can_quote:
        body["quote_approval_policy"] = options.who_can_quote
    if options.language and (language := language_for(software, tag(options.language))):
        body["language"] = language
    if options.poll_choices and first:
        body["poll"] = {
            "options": list(options.poll_choices),
            "expires_in": options.poll_minutes * 60,
            "multiple": options.poll_multiple,
        }
    return body


def told(status: Mapping[str, object]) -> dict[str, Any]:
    """What a Status entity tells of them. Every post with a warning counts as sensitive, so without media that says nothing."""
    found: dict[str, Any] = {}
    if "spoiler_text" in status:
        found["content_warning"] = text_at(status, "spoiler_text")
    if "sensitive" in status and list_at(status, "media_attachments") and not found.get("content_warning"):
        found["sensitive"] = dig(status, "sensitive") is True
    audience = {name: ours for ours, name in VISIBILITIES.items()}.get(text_at(status, "visibility"))
    if audience:
        found["audience"] = audience
    if "language" in status:
        found["language"] = text_at(status, "language")
    found |= _quote(status)
    if "poll" in status:
        found["poll_choices"] = [text_at(one, "title") for one in list_at(status, "poll", "options")]
        if found["poll_choices"]:
            found["poll_multiple"] = dig(status, "poll", "multiple") is True
            if (minutes := _minutes(status)) is not None:
                found["poll_minutes"] = minutes
    return found


def _quote(status: Mapping[str, object]) -> dict[str, Any]:
    """What of a quote and of who may quote is told; nothing by servers that have no quotes."""
    found: dict[str, Any] = {}
    quote, approval = status.get("quote"), status.get("quote_approval")
    if isinstance(quote, dict):
        state = text_at(quote, "state")
        named = dig(quote, "quoted_status")
        if state in _SHOWN:
            found["quote"] = (
                f"{text_at(named, 'url')} {text_at(named, 'id') or text_at(quote, 'quoted_status_id')}".strip()
            )
        elif state == _PENDING:
            found["quote_state"] = state
        else:  # "Unknown values should be treated as unauthorized"
            found["quote"] = f"{state or 'unauthorized'}, so nobody sees it"
    elif "quote" in status and isinstance(approval, dict):
        found["quote"] = ""
    if isinstance(approval, dict):
        found["who_can_quote"] = _policy({str(one) for one in list_at(approval, "automatic")})
    return found


def _policy(automatic: set[str]) -> str:
    if "public" in automatic:
        return "public"
    return "followers" if "followers" in automatic else "nobody" if not automatic else "some people only"


def _minutes(status: Mapping[str, object]) -> int | None:
    made, ends = parse_time(dig(status, "created_at")), parse_time(dig(status, "poll", "expires_at"))
    return round((ends - made).total_seconds() / 60) if made and ends else None
