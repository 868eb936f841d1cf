"""Our HTTP client for libraries that call `requests` by themselves.

`put_in(module)` replaces the name `requests` in one of the library's modules. What the library then opens goes through
`HttpClient.send`, with its guard on addresses, its bounds and no redirects, while `serving` names the client; outside
of that, nothing is opened at all.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import BaseAdapter

from postprober.errors import PostProberError
from postprober.http import OF_THE_WIRE, SET_BY_SEND, HttpClient


@dataclass
class LibraryWork:
    """What one unit of work of a library did. `error`: why the first request that failed got no reply."""

    http: HttpClient
    until: float  # monotonic time after which nothing is sent any more
    error: PostProberError | None = None


_visit: ContextVar[LibraryWork | None] = ContextVar("visit", default=None)


@contextmanager
def serving(http: HttpClient, seconds: float) -> Iterator[LibraryWork]:
    """Requests of this thread's libraries go through `http`, for `seconds` altogether."""
    visit = LibraryWork(http, time.monotonic() + seconds)
    token = _visit.set(visit)
    try:
        yield visit
    finally:
        _visit.reset(token)


class _Adapter(BaseAdapter):
    """Hands a prepared request to `HttpClient.send`."""

    def __init__(self, visit: LibraryWork) -> None:
        super().__init__()
        self._visit = visit

    def send(self, request: requests.PreparedRequest, *_args: Any, **_kwargs: Any) -> requests.Response:
        left = self._visit.until - time.monotonic()
        if left <= 0:
            raise requests.Timeout("The time for this message is over.")
        headers = {name: _text(value) for name, value in request.headers.items() if name.lower() not in SET_BY_SEND}
        try:
            reply = self._visit.http.send(
                request.method or "GET",
                _without_user(request.url or ""),
                headers=headers,
                content=_bytes(request.body),
                timeout=left,
                total=left,
            )
        except PostProberError as error:
            self._visit.error = self._visit.error or error
            raise requests.ConnectionError("The service could not be reached.") from None
        response = requests.Response()
        response.status_code, response.request, response.url = reply.status, request, request.url or ""
        response._content = reply.body
        response._content_consumed = True  # the body is here; there is no connection
        response.encoding = "utf-8"
        response.headers.update({key: value for key, value in reply.headers.items() if key not in OF_THE_WIRE})
        return response

    def close(self) -> None:
        """Nothing is held."""


class _Session(requests.Session):
    """No settings from the environment, no redirects, and no other way out than our client."""

    def __init__(self, visit: LibraryWork) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(visit))

    def resolve_redirects(self, *_args: Any, **_kwargs: Any) -> Generator[requests.Response, None, None]:
        yield from ()


class _Requests:
    """What plug-ins use of the module `requests`, and no more."""

    codes = requests.codes
    exceptions = requests.exceptions
    RequestException = requests.RequestException
    ConnectionError = requests.ConnectionError
    Timeout = requests.Timeout
    TooManyRedirects = requests.TooManyRedirects
    Response = requests.Response

    @staticmethod
    def request(method: str, url: str, **kwargs: Any) -> requests.Response:
        visit = _visit.get()
        if visit is None:
            raise requests.ConnectionError("Nothing is opened outside of a message.")
        with _Session(visit) as session:
            return session.request(method, url, **kwargs)

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        return self.request("GET", url, **kwargs)

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        return self.request("POST", url, **kwargs)

    def put(self, url: str, **kwargs: Any) -> requests.Response:
        return self.request("PUT", url, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> requests.Response:
        return self.request("DELETE", url, **kwargs)


_STAND_IN = _Requests()


def put_in(module: ModuleType) -> None:
    """From now on `module` opens nothing by itself. May be called again."""
    if isinstance(getattr(module, "requests", None), ModuleType):
        module.requests = _STAND_IN  # type: ignore[attr-defined]


def _without_user(url: str) -> str:
    """The library has put user and password into a header."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else b"".join(body)
