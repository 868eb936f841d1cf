"""Which pages may use the browser's session."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from postprober.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, 9.2.1; we serve no TRACE


def origin_of(url: str) -> str:
    """Scheme, host and port as browsers write them in `Origin`; "" for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.scheme in ("http", "https") and parts.netloc else ""


def allowed_origins(settings: Settings) -> frozenset[str]:
    """The app, the sidecar itself and what POSTPROBER_CORS_ORIGINS names."""
    urls = (settings.app_base, settings.api_base, settings.public_base, *settings.cors_origin_list)
    return frozenset(origin for url in urls if (origin := origin_of(url)))


def is_own(settings: Settings, headers: Mapping[str, str]) -> bool:
    """Whether a request that carries the session cookie was made by a page of ours, by what the browser says itself
    (OWASP CSRF prevention: Origin, else Fetch Metadata). Without either it was not."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() in allowed_origins(settings)
    return headers.get("sec-fetch-site") == "same-origin"


def is_from_app(settings: Settings, headers: Mapping[str, str]) -> bool:
    """Whether a page of ours sent the browser here. Another port or a sibling domain is the same site and may set
    cookies here, so it is not enough. Programs, which say nothing, count as yes."""
    site = headers.get("sec-fetch-site")
    return site is None or site == "same-origin" or origin_of(headers.get("referer", "")) in allowed_origins(settings)
