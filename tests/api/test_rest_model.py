"""`/api/model`: the notice, the owner's word, and what is left of the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postprober.pipeline.repairs.model_use import CHANGED, OFF
from postprober.storage import users
from postprober.wiring import build_advisor
from tests.api.rest_kit import Rest, is_problem, rest_on
from tests.installed import Installation


def served(installation: Installation, name: str = "m1") -> Rest:
    """The sidecar of an installation with that model set up, whose address has a secret in it."""
    core = installation.core
    settings = core.settings.model_copy(update={"ai_base_url": "http://user:secret@127.0.0.1:9/v1", "ai_model": name})
    advisor = build_advisor(settings, core.db, core.http, core.clock)
    made = rest_on(replace(installation, core=replace(core, settings=settings, advisor=advisor)))
    for who in ("owner", "teammate"):
        made.sign_in(who)  # a token agrees to nothing
    return made


@pytest.fixture
def rest(installation: Installation) -> Rest:
    return served(installation)


def test_an_owner_agrees_to_the_notice_that_they_read(rest: Rest, installation: Installation) -> None:
    told = rest.ask("GET", "/api/model").json()
    assert (told["set_up"], told["on"], told["because"], told["agreed_at"]) == (True, False, OFF, None)
    assert told["model"] == "m1" and "secret" not in str(told).replace("secrets and card", "")
    assert told["server"].endswith("127.0.0.1:9/v1") and told["sent"] and told["kept"]
    wish = {"on": True, "pictures": True, "model": told["model"], "server": told["server"]}
    assert is_problem(rest.ask("PUT", "/api/model", json={**wish, "model": "another"}), 409, "conflict")
    assert is_problem(rest.ask("PUT", "/api/model", json={"on": True}), 409, "conflict")
    assert is_problem(rest.ask("PUT", "/api/model", json={"on": "yes"}), 422)
    assert not rest.ask("GET", "/api/model").json()["on"], "nothing of that was an agreement"
    made = rest.ask("PUT", "/api/model", json=wish).json()
    assert (made["on"], made["pictures"], made["because"], made["agreed_by"]) == (True, True, "", "owner")
    assert made["agreed_at"] is not None and made["left"] == made["share"]
    assert made["renews_at"].endswith("T00:00:00Z")
    assert not rest.ask("GET", "/api/model", "stranger").json()["on"], "another space has not agreed"
    changed = served(installation, "m2").ask("GET", "/api/model").json()
    assert (changed["on"], changed["because"]) == (False, CHANGED)
    off = rest.ask("PUT", "/api/model", json={"on": False}).json()
    assert (off["on"], off["pictures"], off["because"]) == (False, False, OFF)


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_who_is_no_owner_reads_it_and_cannot_agree(rest: Rest, installation: Installation, role: str) -> None:
    with rest.core.db.write() as conn:
        users.write(conn, installation.teammate, rest.clock.now(), owner_id=installation.owner, role=role)
    told = rest.ask("GET", "/api/model", "teammate").json()
    wish = {"on": True, "model": told["model"], "server": told["server"]}
    assert is_problem(rest.ask("PUT", "/api/model", "teammate", json=wish), 403, "forbidden")
    assert rest.ask("PUT", "/api/model", json=wish).json()["on"], "the control: the owner can"
    assert rest.ask("GET", "/api/model", "teammate").json()["on"]
    assert is_problem(rest.ask("PUT", "/api/model", "teammate", json={"on": False}), 403, "forbidden")
