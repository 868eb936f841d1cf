"""Servers that speak Mastodon's API in their own way: the setting `mastodon_software` says which one this is.

What each does, with its sources: platforms/mastodon/facts.md, 10.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postprober.sandbox.engine.text import URL, graphemes

Json = dict[str, Any]
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _in_base(number: int, alphabet: str, width: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, len(alphabet))
        digits = alphabet[rest] + digits
    return digits.rjust(width, alphabet[0])


def _halves(number: int) -> tuple[int, int]:
    """Milliseconds and what makes it single, of a snowflake."""
    return number >> 16, number & 0xFFFF


def _ulid(number: int) -> str:
    millis, rest = _halves(number)
    return _in_base(millis << 80 | rest, _CROCKFORD, 26)


def _flake(number: int) -> str:
    millis, rest = _halves(number)
    return _in_base(millis << 64 | rest, _BASE62, 22)


def _uuid(number: int) -> str:
    millis, rest = _halves(number)
    digits = f"{millis:012x}7{rest >> 4:03x}8{rest & 0xF:x}{0:014x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _hex(number: int) -> str:
    millis, rest = _halves(number)
    return f"{millis // 1000}.{(millis % 1000) << 16 | rest:08x}"


# What they make of a text


def _escaped(text: str) -> str:
    """With links as anchors."""
    shown, at = "", 0
    for match in URL.finditer(text):
        url = html.escape(match.group())
        shown += html.escape(text[at : match.start()], quote=False) + f'<a href="{url}" rel="nofollow">{url}</a>'
        at = match.end()
    return shown + html.escape(text[at:], quote=False)


def _one_paragraph(text: str) -> str:
    return f"<p>{_escaped(text)}</p>".replace("\n", "<br>")


def _breaks(text: str) -> str:
    return _escaped(text).replace("\n", "<br>")


def _php_breaks(text: str) -> str:
    return _escaped(text).replace("\n", "<br />\n")


def markdown(text: str) -> str:
    """As much of Markdown as tests need; a single line end stays one, which browsers show as a blank."""
    shown = _escaped(text)
    for mark, tag in ((r"\*\*", "strong"), (r"\*", "em"), ("`", "code")):
        shown = re.sub(rf"{mark}(?=\S)([^*`\n]+?){mark}", rf"<{tag}>\1</{tag}>", shown)
    return "".join(f"<p>{piece}</p>" for piece in re.split(r"\n{2,}", shown) if piece)


def _without_tags(text: str) -> str:
    return re.sub(r"</?[A-Za-z][^<>]*>", "", text)


def _php_stripped(text: str) -> str:
    """strip_tags: from a `<` before anything but a blank to the next `>`, or to the end."""
    return re.sub(r"<(?!\s)[^>]*(?:>|$)", "", text)


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class Kind:
    """One of them. `path`: of a post, in {name} and {id}; `version`: of its instance page, `v2`: whether it has the newer
    one; `identifier`: an id out of a number that grows; `render`: its HTML; `stored`: what it keeps of a text; `length`: how it
    counts, None: not at all; `too_long`: its status for what is too long; `key`: what becomes of a repeated Idempotency-Key;
    `open`: strangers may read by the API; `refusal_status`, `refusal`: its answer to a dead token;
    `pages`: the list of own posts is paged; `many`: its answer to several ids, 200: it has them; `scopes`: those that it
    knows, empty: as Mastodon; `uploaded`: its status for a file."""

    name: str
    path: str
    version: str
    identifier: Callable[[int], str] = str
    render: Callable[[str], str] = _one_paragraph
    stored: Callable[[str], str] = _as_it_is
    length: Callable[[str], int] | None = None
    too_long: int = 422
    key: str = "ignored"
    open: bool = True
    refusal_status: int = 401
    refusal: str = "Unauthorized"
    v2: bool = True
    pages: bool = True
    many: int = 404
    source_url: str = ""
    uploaded: int = 200
    deletes: bool = True
    sources: bool = True


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "gotosocial",
            "/mastodon/@{name}/statuses/{id}",
            "0.20.1 git-abcdef1",
            identifier=_ulid,
            stored=_without_tags,
            length=len,
            too_long=400,
            open=False,
            source_url="https://codeberg.org/superseriousbusiness/gotosocial",
        ),
        Kind(
            "hollo",
            "/mastodon/@{name}/{id}",
            "0.8.0",
            identifier=_uuid,
            render=markdown,
            key="replayed",
            refusal="invalid_token",
            source_url="https://github.com/fedify-dev/hollo",
        ),
        Kind(
            "akkoma",
            "/mastodon/notice/{id}",
            "2.7.2 (compatible; Akkoma 3.17.0)",
            identifier=_flake,
            render=_breaks,
            length=graphemes,
            key="cached",
            refusal_status=403,
            refusal="Invalid credentials.",
            v2=False,
            many=400,
            uploaded=202,
        ),
        Kind(
            "pixelfed",
            "/mastodon/p/{name}/{id}",
            "3.5.3 (compatible; Pixelfed 0.12.6)",
            render=_php_breaks,
            stored=_php_stripped,
            length=len,
            too_long=500,
            key="refused",
            open=False,
            refusal_status=500,
            refusal="Unauthenticated.",
            many=405,
            source_url="https://github.com/pixelfed/pixelfed",
            uploaded=202,
            sources=False,
        ),
        Kind(
            "snac",
            "/mastodon/{name}/p/{id}",
            "4.0.0 (not true; really snac/2.75)",
            identifier=_hex,
            render=_breaks,
            refusal_status=422,
            refusal="",
            v2=False,
            open=False,
            pages=False,
            deletes=False,
        ),
    )
}


def kind_of(world: Any) -> Kind | None:
    """What the setting says; None: Mastodon itself."""
    return KINDS.get(str(world.settings["mastodon_software"]))


# Their pages about themselves


def configuration(kind: Kind, most: int) -> Json:
    """`configuration` of the instance page; Pixelfed writes numbers as they stand in its environment, as texts."""
    if kind.name == "gotosocial":
        return {
            "statuses": {"max_characters": most, "max_media_attachments": 6, "characters_reserved_per_url": 25},
            "media_attachments": {
                "supported_mime_types": ["image/jpeg", "image/png", "image/webp", "image/gif", "video/mp4"],
                "image_size_limit": 41_943_040,
                "video_size_limit": 41_943_040,
                "description_limit": 1500,
            },
            "polls": _polls(6, 50),
        }
    if kind.name == "hollo":
        return {
            "statuses": {"max_characters": most, "max_media_attachments": 8, "characters_reserved_per_url": 256},
            "media_attachments": {
                "supported_mime_types": ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4"],
                "image_size_limit": 33_554_432,
                "image_matrix_limit": 16_777_216,
            },
            "polls": _polls(10, 100),
        }
    if kind.name == "pixelfed":
        return {
            "statuses": {
                "max_characters": str(most),
                "max_media_attachments": "4",
                "characters_reserved_per_url": 23,
            },
            "media_attachments": {
                "supported_mime_types": ["image/jpeg", "image/png", "image/gif"],
                "image_size_limit": 15_360_000,
                "image_matrix_limit": 2_073_600,
            },
            "polls": {"max_options": 0, "max_characters_per_option": 0, "min_expiration": 0, "max_expiration": 0},
        }
    return {
        "statuses": {"max_characters": most, "max_media_attachments": 4, "characters_reserved_per_url": 23},
        "polls": _polls(4, 50),
    }


def _polls(most: int, characters: int) -> Json:
    return {
        "max_options": most,
        "max_characters_per_option": characters,
        "min_expiration": 300,
        "max_expiration": 2_629_746,
    }


def instance(kind: Kind, domain: str, most: int) -> Json:
    """The page of v2, and of v1 where there is no v2."""
    shared: Json = {
        "title": kind.name,
        "version": kind.version,
        "description": "An emulated instance",
        "languages": ["en"],
    }
    if kind.name == "akkoma":
        limits = {"max_options": 20, "max_option_chars": 200, "min_expiration": 0, "max_expiration": 31_536_000}
        told = {"max_toot_chars": most, "upload_limit": 16_000_000, "description_limit": 5000, "poll_limits": limits}
        return {"uri": domain, **shared, **told}
    if kind.name == "hollo":
        shared |= {"api_versions": {"mastodon": 2}}
    return {
        "domain": domain,
        "uri": domain,
        **shared,
        **({"source_url": kind.source_url} if kind.source_url else {}),
        "configuration": configuration(kind, most),
    }
