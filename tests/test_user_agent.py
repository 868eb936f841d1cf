"""How the program names itself to those it calls."""

from __future__ import annotations

import tomllib
from pathlib import Path

import httpx2

from postprober import __url__, __version__
from postprober.http import HttpClient, Pools

ROOT = Path(__file__).resolve().parents[1]


def test_every_request_says_which_version_of_what_sends_it_and_where_that_is_found() -> None:
    told: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        told.append(request.headers["user-agent"])
        return httpx2.Response(200)

    HttpClient(Pools(transport=httpx2.MockTransport(answer))).read("GET", "https://a.example/")
    assert told == [f"PostProber/{__version__} (+{__url__})" if __url__ else f"PostProber/{__version__}"]
    assert ".invalid" not in told[0]


def test_the_address_is_the_one_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project.get("urls", {}).get("Homepage", "") == __url__
