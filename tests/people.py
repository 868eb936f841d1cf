"""People of an installation, as the use cases want to be told of them."""

from __future__ import annotations

from postprober.domain.actor import APP, Actor, Via
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage.records import User


def acting(core: Core, who: int | User, via: Via = APP) -> Actor:
    """This person, by an id or as they were read, come through the app unless told otherwise."""
    return permits.of_user(who, via) if isinstance(who, User) else permits.actor(core, who, via)
