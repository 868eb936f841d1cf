"""People of an installation, as the use cases want to be told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postprober.domain.actor import APP, Actor, Via
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage.records import User

if TYPE_CHECKING:  # the campaigns run without it
    import pytest


def acting(core: Core, who: int | User, via: Via = APP) -> Actor:
    """This person, by an id or as they were read, come through the app unless told otherwise."""
    return permits.of_user(who, via) if isinstance(who, User) else permits.actor(core, who, via)


def asked(monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """Everybody of whom a use case asks from now on whether they may, as they were at the door."""
    seen: list[Actor] = []
    real = permits.need

    def need(core: Core, who: Actor, scope: str) -> Actor:
        if not who.asked:
            seen.append(who)
        return real(core, who, scope)

    monkeypatch.setattr(permits, "need", need)
    return seen
