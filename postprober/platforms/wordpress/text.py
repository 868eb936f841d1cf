"""A plain text as blocks of WordPress, and back (wordpress/facts.md, 3).

A theme shows what was typed only if nothing in it means anything to WordPress: HTML, shortcodes, links alone on a line, and the
characters that it makes prettier (quotes, dashes, dots, smilies, the name of the program). All of these are written as
references of HTML, which it leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape, unescape

from postprober.domain.remote import RemoteMedia
from postprober.domain.text import find_urls
from postprober.domain.tolerant_html import TolerantParser

MAX_HTML = 2_000_000  # characters that are read; twenty times the longest text that we send
_ALWAYS = str.maketrans({"[": "&#091;", "]": "&#093;"})  # shortcodes
# facts.md, 3: what `wptexturize`, `convert_smilies` and `capital_P_dangit` change, each found with the least around it.
_PRETTIER = re.compile(
    r"""-{2,} | (?<!\S)-(?!\S)          # dashes
    | \.{3,} | `{2,}                    # dots, quotes of another kind
    | \((?=tm\))                        # a trade mark
    | (?<=\d)x(?=\d)                    # times
    | (?<!\S)(?: :(?=\S) | ;(?=\S) | 8(?=[-)O]) | =(?=\S) )   # smilies
    | (?<=Word)p(?=ress)                # its own name
    | (?<=&amp;)\#                      # what looks like a reference, which it would make one
    """,
    re.VERBOSE,
)
_BLOCKS = frozenset(
    {"p", "div", "blockquote", "ul", "ol", "li", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "hr"}
)
_SILENT = frozenset({"script", "style", "template", "noscript", "figcaption", "form"})


@dataclass(frozen=True)
class Placed:
    """A file that stands in the text: its number in the site's library, its address there, and how it is described."""

    id: int
    url: str
    kind: str
    alt: str = ""


def plain(text: str) -> str:
    """`text` as HTML of which WordPress changes nothing."""
    safe = escape(text.replace("\r\n", "\n").replace("\r", "\n"), quote=False)
    safe = _PRETTIER.sub(lambda found: "".join(f"&#{ord(char):03d};" for char in found[0]), safe)
    return safe.replace('"', "&quot;").replace("'", "&#039;").translate(_ALWAYS)


def read_plain(html: str) -> str:
    """The words of a title or an excerpt."""
    return unescape(re.sub(r"<[^<>]*>", "", html)).strip()


def blocks(text: str, media: Sequence[Placed] = (), mark: str = "") -> str:
    """The content of a post: a paragraph for each piece between empty lines, then the files. `mark`: what the first block is
    called in the editor, which nobody else sees."""
    made = [_paragraph(piece) for piece in _pieces(text)] if text.strip() else []
    if len(media) > 1:
        made.append(_gallery(media))
    else:
        made += [_video(one) if one.kind == "video" else _image(one) for one in media]
    if made and mark:
        made[0] = _named(made[0], mark)
    return "\n\n".join(made)


def _named(block: str, mark: str) -> str:
    """facts.md, 5: the name of a block stands in its comment, and the comment is never shown."""
    head, end, rest = block.partition(" -->")
    kind, brace, more = head.partition(" {")
    return f'{kind} {{"metadata":{{"name":"{mark}"}}{"," + more if brace else "}"}{end}{rest}'


def _pieces(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")


def _paragraph(piece: str) -> str:
    out, at = [], 0
    for span in find_urls(piece):
        if not span.text.lower().startswith(("http://", "https://")):
            continue
        out.append(plain(piece[at : span.start]))
        out.append(f'<a href="{plain(span.text)}">{plain(span.text)}</a>')
        at = span.end
    out.append(plain(piece[at:]))
    body = "".join(out).replace("\n", "<br>")
    return f"<!-- wp:paragraph -->\n<p>{body}</p>\n<!-- /wp:paragraph -->"


def _image(one: Placed) -> str:
    return (
        f'<!-- wp:image {{"id":{one.id},"sizeSlug":"full","linkDestination":"none"}} -->\n'
        f'<figure class="wp-block-image size-full"><img src="{plain(one.url)}" alt="{plain(one.alt)}" '
        f'class="wp-image-{one.id}"/></figure>\n<!-- /wp:image -->'
    )


def _gallery(media: Sequence[Placed]) -> str:
    inside = "\n\n".join(map(_image, media))
    return (
        '<!-- wp:gallery {"linkTo":"none"} -->\n'
        '<figure class="wp-block-gallery has-nested-images columns-default is-cropped">'
        f"{inside}</figure>\n<!-- /wp:gallery -->"
    )


def _video(one: Placed) -> str:
    return (
        f'<!-- wp:video {{"id":{one.id}}} -->\n<figure class="wp-block-video"><video controls src="{plain(one.url)}">'
        "</video></figure>\n<!-- /wp:video -->"
    )


@dataclass
class Content:
    """What a post's HTML says: its words, where its links lead, and the files that stand in it."""

    text: str = ""
    links: list[str] = field(default_factory=list)
    media: list[RemoteMedia] = field(default_factory=list)


def read_content(html: str) -> Content:
    """The content of a post, as its author or a stranger reads it. Never raises."""
    reader = _ContentReader()
    reader.feed(html[:MAX_HTML])
    reader.close()
    return reader.content()


class _ContentReader(TolerantParser):
    """Every block is a piece of its own; what stands between blocks counts only if it is words."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []
        self._now: list[str] = []
        self._inside = 0  # open blocks
        self._silent: list[str] = []
        self._found = Content()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if self._silent:
            if tag == self._silent[-1]:
                self._silent.append(tag)
            return
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag == "br":
            self._now.append("\n")
        elif tag in _BLOCKS:
            self._end_piece(empty=False)
            self._inside += 1
        elif tag == "a" and values.get("href"):
            self._found.links.append(values["href"])
        elif tag == "img" and not {"emoji", "wp-smiley", "avatar"} & set(values.get("class", "").split()):
            kind = "gif" if values.get("src", "").split("?")[0].lower().endswith(".gif") else "image"
            self._found.media.append(RemoteMedia(kind, values.get("alt", "")))
        elif tag == "video":
            self._found.media.append(RemoteMedia("video"))

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag == self._silent[-1]:
                self._silent.pop()
        elif tag in _BLOCKS:
            self._end_piece(empty=tag == "p")
            self._inside = max(0, self._inside - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent and (self._inside or data.strip()):
            # In the source, line ends are blanks; ours are `<br>`.
            self._now.append(re.sub(r"(?<!\s)\s*\n\s*", "" if self._now[-1:] == ["\n"] else " ", data))

    def _end_piece(self, *, empty: bool) -> None:
        piece = "".join(self._now)
        if piece.strip() or (empty and self._inside):
            self._pieces.append(piece)
        self._now = []

    def content(self) -> Content:
        self._end_piece(empty=False)
        self._found.text = "\n\n".join(self._pieces).strip()
        return self._found
