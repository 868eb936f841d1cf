"""Whoever the benchmarks act for."""

from __future__ import annotations

from postprober.domain.actor import APP, Actor
from postprober.services.core import Core
from postprober.services.people import permits


def acting(core: Core, user_id: int) -> Actor:
    """This person, as if they had come through the app."""
    return permits.actor(core, user_id, APP)
