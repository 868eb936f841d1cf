"""Fetching the files of a container, as Meta does with the URL it is given. Loopback only: this is a sandbox."""

import asyncio
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

from postprober.sandbox.engine.files import FileKind, sniff
from postprober.sandbox.instagram.dialect import graph_error

# platforms/instagram/facts.md, 3
_MAX_IMAGE = 8 * 1024 * 1024
_MAX_VIDEO = 300 * 1024 * 1024
_MAX_STORY_VIDEO = 100 * 1024 * 1024
_ASPECT = (4 / 5, 1.91)
_TALL = 9 / 16  # of Stories and covers
_ROUNDING = 0.01
_FETCH_SECONDS = 5.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_open = build_opener(ProxyHandler({}), _NoRedirect()).open


def _get(url: str, most: int) -> bytes:
    with _open(url, timeout=_FETCH_SECONDS) as response:
        data: bytes = response.read(most + 1)
    return data


async def fetch(url: str, wanted: str) -> tuple[bytes, FileKind]:
    """The bytes of an image or a video that Instagram would take. Raises the Graph refusals."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK:
        raise _unreachable(url)
    most = {"video": _MAX_VIDEO, "story video": _MAX_STORY_VIDEO}.get(wanted, _MAX_IMAGE)
    try:
        data = await asyncio.to_thread(_get, url, most)
    except TimeoutError:
        message = "It takes too long to download the media."
        raise graph_error(-2, 2207003, message, title="Timeout when downloading the media") from None
    except (HTTPError, URLError, OSError, ValueError):
        raise _unreachable(url) from None
    found = sniff(data)
    if most == _MAX_IMAGE:
        _check_image(found, len(data), wanted)
    elif found.kind != "video" or len(data) > most:
        raise graph_error(352, 2207026, "The video format is not supported. Please check spec for supported format.")
    return data, found


def _unreachable(url: str) -> Exception:
    message = f"The media could not be fetched from this URI: {url}"
    return graph_error(9004, 2207052, message, title="Media download has failed")


def _check_image(found: FileKind, size: int, wanted: str) -> None:
    if size > _MAX_IMAGE:
        raise graph_error(36000, 2207004, "The image is too large to download. It should be less than 8 MiB.")
    if found.mime != "image/jpeg":
        raise graph_error(36001, 2207005, "The image format is not supported. Supported formats: JPEG.")
    ratio = found.width / found.height if found.height else 0
    tallest = _ASPECT[0] if wanted == "image" else _TALL
    if not tallest - _ROUNDING <= ratio <= _ASPECT[1] + _ROUNDING:
        message = "The submitted image is outside the supported aspect ratio: between 4:5 and 1.91:1."
        raise graph_error(36003, 2207009, message, title="Aspect ratio not supported")
