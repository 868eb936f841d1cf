"""`accounts add --by browser`: the warning first, and the session on stdin, never in the command line."""

from __future__ import annotations

import json

import pytest

from postprober.browser import Browser
from postprober.sandbox.instagram.web_html import session
from tests.cli.test_command_line import Run, run, sentence
from tests.installed import Installation

__all__ = ["run"]
ADD = ("accounts", "add", "--platform", "instagram", "--by", "browser")


def test_the_terms_have_to_be_accepted_and_nothing_is_written_before(run: Run, installation: Installation) -> None:
    before = installation.counts()
    said = run(*ADD, stdin=b"{}")
    assert said.code == 2 and "terms forbid" in sentence(said) and "Accept that first." in said.err
    assert installation.counts() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--by", "carrier-pigeon"), "There is no way called"),
        (("--by", "browser", "--platform", "x", "--accept-terms"), "cannot be used by browser"),
        (("--by", "browser", "--accept-terms"), "stored browser session"),
    ],
)
def test_what_cannot_be_linked_that_way_is_refused_in_one_sentence(
    run: Run, installation: Installation, arguments: tuple[str, ...], words: str
) -> None:
    if Browser(installation.core.settings).trouble():
        pytest.skip("there is no Chromium on this machine")
    said = run("accounts", "add", "--platform", "instagram", *arguments, stdin=b"[]")
    assert said.code == 2 and words in sentence(said)


def test_without_a_chromium_it_is_refused_in_one_sentence(run: Run) -> None:
    said = run(*ADD, "--accept-terms", stdin=b"{}", BROWSER="off")
    assert said.code == 2 and "would need a browser" in sentence(said)


def test_a_stored_session_is_linked(run: Run, installation: Installation) -> None:
    if Browser(installation.core.settings).trouble():
        pytest.skip("there is no Chromium on this machine")
    made = installation.made("instagram")
    state = json.dumps(session(f"{installation.sandbox.url}/instagram-web", made)).encode()
    said = run(*ADD, "--accept-terms", "--json", stdin=state)
    assert said.code == 0, said.err
    assert said.lines[0]["name"] == f"{made['name']} (by browser, experimental)"
    assert made["access_token"] not in said.out + said.err
