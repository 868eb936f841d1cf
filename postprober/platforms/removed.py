"""A platform whose package is not installed here any more. What was posted there stays readable; nothing is sent or asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from postprober.clock import Clock
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import ImageRule, Limits
from postprober.domain.platform import Platform, PlatformConfig, ReconcileMode, described
from postprober.domain.post import Draft, Preflight, Violation
from postprober.domain.remote import PartJob, Progress, Reading, Receipt, RemotePost, Search, Sighting, Staged, Timeline
from postprober.errors import HERE, Unavailable
from postprober.http import HttpClient
from postprober.platforms.common.adapter import Traits
from postprober.platforms.common.error_signals import ErrorSignals
from postprober.platforms.common.links import PastedLink
from postprober.platforms.common.spec import Habits, PlatformSpec

_GREY = "#8a8f98"


def spec_of(platform: Platform) -> PlatformSpec:
    """What stands for the platform: nothing can be linked, and every call says that it is not installed."""
    limits = Limits(platform=platform, max_length=1, unit="characters", images=ImageRule(0, (), 0))
    traits = Traits(
        platform=platform,
        mode=ReconcileMode.STRICT,
        settle=timedelta(0),
        threads=False,
        video=False,
        deletes=False,
        lists_own=False,
        refreshes=False,
        pkce=False,
    )

    def make(_http: HttpClient, _config: PlatformConfig, _clock: Clock) -> _Nothing:
        return _Nothing(limits, traits)

    return PlatformSpec(described(platform), make, traits, limits, ErrorSignals(()), Habits(_GREY, ()), _no_id)


def _no_id(_link: PastedLink) -> str:
    return ""


def sentence(platform: Platform) -> str:
    name = described(platform).title
    return f"{name} is not installed here any more; install its package again, or disconnect the account."


class _Nothing:
    """Says of every call that the platform is not installed. Nothing leaves, so nothing can have become visible."""

    def __init__(self, limits: Limits, traits: Traits) -> None:
        self._limits, self.traits = limits, traits

    def _refuse(self) -> NoReturn:
        raise Unavailable(sentence(self.traits.platform), code=HERE)

    def identify(self, cred: Credentials) -> Identity:
        self._refuse()

    def refresh(self, cred: Credentials) -> Credentials:
        self._refuse()

    def revoke(self, cred: Credentials) -> bool:
        return False

    def limits(self, cred: Credentials | None) -> Limits:
        return self._limits

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return Preflight(self.traits.platform, 0, 0, (Violation("not_installed", sentence(self.traits.platform)),))

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return ""

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        self._refuse()

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        self._refuse()

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        self._refuse()

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        self._refuse()

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        self._refuse()

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        self._refuse()

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        self._refuse()

    def delete(self, cred: Credentials, remote_id: str) -> None:
        self._refuse()
