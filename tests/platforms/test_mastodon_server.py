"""A server is called what it calls itself, where its own word is proved by the token."""

from __future__ import annotations

import httpx2
import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.http import HttpClient, Pools
from postprober.platforms.mastodon.server import own_address
from tests.platforms.adapter_kit import Answer, Scripted

ME = {"id": "5", "acct": "anna"}


def network(
    url: str, *, knows: dict[str, str], domain: str = "", uri: str = "", broken: str = ""
) -> tuple[Answer, list[str]]:
    """`url`: of the profile as every server says it; `knows`: which id the token has at which host."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        host, path = request.url.host, request.url.path
        asked.append(host)
        if host == broken:
            raise httpx2.ConnectError("no such host")
        if path.endswith("/verify_credentials"):
            found = knows.get(host)
            return httpx2.Response(200, json={**ME, "url": url, "id": found}) if found else httpx2.Response(401)
        if path.endswith("/statuses"):
            return httpx2.Response(200, json=[])
        said = {"/api/v2/instance": {"domain": domain}, "/api/v1/instance": {"uri": uri}}.get(path)
        return httpx2.Response(200, json=said) if said else httpx2.Response(404)

    return Answer(script=answer), asked


def named(scripted: Scripted, host: str, answer: Answer) -> str:
    adapter, _ = scripted(Platform("mastodon"), answer)
    return adapter.identify(Credentials("t", instance=f"https://{host}")).server


@pytest.mark.parametrize("host", ["alias.example", "social.example"])
def test_an_alias_and_the_server_itself_have_one_name(scripted: Scripted, host: str) -> None:
    answer, _ = network("https://social.example/@anna", knows={"alias.example": "5", "social.example": "5"})
    assert named(scripted, host, answer) == ("https://social.example" if host == "alias.example" else "")


@pytest.mark.parametrize("knows", [{"evil.example": "5"}, {"evil.example": "5", "social.example": "6"}])
def test_a_name_that_the_token_does_not_prove_is_not_believed(scripted: Scripted, knows: dict[str, str]) -> None:
    answer, asked = network("https://social.example/@anna", knows=knows, domain="social.example")
    assert named(scripted, "evil.example", answer) == ""
    assert "social.example" in asked


@pytest.mark.parametrize("said", [{"domain": "social.example"}, {"uri": "https://social.example"}])
def test_a_server_that_gives_no_profile_address_is_asked_for_its_name(scripted: Scripted, said: dict[str, str]) -> None:
    answer, _ = network("", knows={"alias.example": "5", "social.example": "5"}, **said)
    assert named(scripted, "alias.example", answer) == "https://social.example"


@pytest.mark.parametrize(
    "url", ["https://gone.example/@anna", "nonsense", "file:///etc/passwd", "https://[", "https://me:pw@h.example/@a"]
)
def test_a_word_that_leads_nowhere_does_no_harm(scripted: Scripted, url: str) -> None:
    answer, _ = network(url, knows={"alias.example": "5"}, broken="gone.example")
    assert named(scripted, "alias.example", answer) == ""


def test_a_server_with_plain_profile_addresses_is_not_asked_twice(scripted: Scripted) -> None:
    answer, asked = network("https://snac.example/anna", knows={"snac.example": "5"})
    assert named(scripted, "snac.example", answer) == ""
    assert len(asked) == 2


@pytest.mark.parametrize("word", ["https://social.example?x=/@anna", "https://social.example#/@anna"])
@pytest.mark.parametrize("where", ["url", "domain", "uri"])
def test_a_name_with_a_query_or_fragment_is_asked_nothing(scripted: Scripted, word: str, where: str) -> None:
    said = {"url": "", where: word}
    answer, asked = network(said.pop("url"), knows={"alias.example": "5", "social.example": "5"}, **said)
    assert named(scripted, "alias.example", answer) == ""
    assert "social.example" not in asked


def test_a_name_is_asked_as_an_address_that_somebody_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator lets the account's own server be private; a stranger's word must not use that for another host."""
    looked_up: list[tuple[str, bool]] = []

    def resolved(host: str, port: int, *, allow_private: bool) -> str:
        looked_up.append((host, allow_private))
        raise OSError("nobody there")

    monkeypatch.setattr("postprober.http.resolve", resolved)
    http = HttpClient(Pools(trusted_hosts=frozenset({"home.example", "vault.example"})))
    me = {"id": "5", "url": "https://vault.example/@anna"}
    assert own_address(http, "https://home.example", {"Authorization": "Bearer t"}, me) == ""
    assert ("vault.example", False) in looked_up and ("vault.example", True) not in looked_up
    assert ("home.example", True) in looked_up, "the control: the account's own server may be private"
    http.pools.close()
