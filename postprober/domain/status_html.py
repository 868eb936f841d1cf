"""From a status's HTML back to the text that was sent.

Servers of the Fediverse write the same text differently: some in `<p>` with shortened links (`invisible` spans), some
with `<br>` only. The rules: `<br>` is a line end, a new `<p>` an empty line, a link is its address, a mention is
`@` and the account's address from `mentions`, everything else is its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from postprober.domain.tolerant_html import TolerantParser

MAX_HTML = 1_000_000  # characters; ten times the longest post that a server of ours allows
# The class of an element that stands in for a quote where quotes are not known; who knows them sees the quote instead.
_FALLBACK = "quote-inline"
_BLOCKS = frozenset({"p", "div", "blockquote", "ul", "ol", "li", "pre", "h1", "h2", "h3"})


def html_to_text(html: str, mentions: Iterable[Mapping[str, object]] = ()) -> str:
    """The text of `html`; `mentions` as in the Status entity (`url`, `acct`)."""
    reader = _Reader({str(one.get("url", "")): str(one.get("acct", "")) for one in mentions})
    reader.feed(html[:MAX_HTML])
    reader.close()
    return reader.text()


def links_in(html: str) -> tuple[str, ...] | None:
    """Where the links of `html` lead, mentions and hashtags left out; None when nothing in it can be followed, because
    some servers give plain text."""
    reader = _Reader({})
    reader.feed(html[:MAX_HTML])
    reader.close()
    reader.text()
    return tuple(reader.targets) or None


class _Reader(TolerantParser):
    def __init__(self, accounts: Mapping[str, str]) -> None:
        super().__init__()
        self._accounts = accounts
        self._out: list[str] = []
        self._link: str | None = None
        self._label: list[str] = []
        self._is_name = False
        self.targets: list[str] = []
        self._skipped = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if self._skipped:
            return
        if _FALLBACK in values.get("class", "").split():
            self._skipped = tag
        elif tag == "br":
            self._write("\n")
        elif tag in _BLOCKS and self._out:
            self._write("\n\n")
        elif tag == "a" and values.get("href"):
            self._end_link()
            self._link = values["href"]
            self._is_name = bool({"mention", "hashtag", "u-url"} & set(values.get("class", "").split()))

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._skipped = "" if tag == self._skipped else self._skipped
        elif tag == "a":
            self._end_link()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._write(data)

    def text(self) -> str:
        self._end_link()
        return "".join(self._out).strip()

    def _write(self, text: str) -> None:
        (self._out if self._link is None else self._label).append(text)

    def _end_link(self) -> None:
        if self._link is None:
            return
        link, label = self._link, "".join(self._label)
        self._link, self._label = None, []
        if self._is_name or label.startswith(("@", "#")):
            account = self._accounts.get(link, "")
            self._out.append(f"@{account}" if account and label.startswith("@") else label)
        else:
            self.targets.append(link)
            self._out.append(label if _says_the_same(label, link) else link)


def _says_the_same(label: str, link: str) -> bool:
    """Whether the label is the whole address as it was typed (a server may encode host and path in `href`)."""
    try:
        shown, target = urlsplit(label.strip()), urlsplit(link)
        return (
            shown.scheme == target.scheme
            and shown.port == target.port
            and _ascii_host(shown.hostname) == _ascii_host(target.hostname)
            and unquote(shown.path).rstrip("/") == unquote(target.path).rstrip("/")
            and unquote(shown.query) == unquote(target.query)
        )
    except ValueError:
        return False


def _ascii_host(host: str | None) -> str:
    try:
        return (host or "").encode("idna").decode()
    except UnicodeError:
        return host or ""
