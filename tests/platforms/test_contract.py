"""What every adapter promises (platforms.base), on the sandbox: each by API, and Instagram by browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, ReconcileMode, known
from postprober.domain.post import MediaFile
from postprober.domain.remote import PartJob, SightingState
from postprober.domain.text import same_text
from postprober.errors import LeaseLost, OutcomeUnknown, PlatformError, ReconnectNeeded, Throttled, Unavailable
from tests.platforms.adapter_kit import Linked

BY_BROWSER = "instagram by browser"
ALL = [*(p.value for p in known()), BY_BROWSER]
# LinkedIn shows an app its own posts only with this scope.
SCOPES = {"linkedin": ["openid", "profile", "w_member_social", "r_member_social"]}
LOST = ["cut_after_accept", "error_after_accept", "malformed_2xx"]
Open = Callable[[], tuple[Linked, Callable[[str], PartJob]]]


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Open:
    """An account on the adapter of this test, and a maker of jobs for it."""
    name = request.param
    photo, public = request.getfixturevalue("photo"), request.getfixturevalue("public")

    def make() -> tuple[Linked, Callable[[str], PartJob]]:
        if name == BY_BROWSER:
            linked = request.getfixturevalue("by_browser")()
        else:
            options = {"scopes": SCOPES[name]} if name in SCOPES else {}
            linked = request.getfixturevalue("link")(Platform(name), **options)
        if linked.platform is Platform("bluesky"):
            linked.cred = _bluesky(linked)

        def job(text: str) -> PartJob:
            media: tuple[MediaFile, ...] = ()
            if linked.platform is Platform("instagram"):
                media = (public(photo("A tick")),)
            made = linked.job(text, *media)
            handle = linked.adapter.new_handle(made.key, 0, made.composed_at)
            return PartJob(made.key, 0, text, made.composed_at, media, handle=handle)

        return linked, job

    return make


def _bluesky(linked: Linked) -> Credentials:
    return Credentials(
        linked.cred.access_token,
        linked.cred.refresh_token,
        linked.cred.expires_at,
        linked.cred.remote_id,
        linked.cred.name,
        linked.config.api_url,
    )


every = pytest.mark.parametrize("opened", ALL, indirect=True)


@every
def test_it_says_whose_account_it_is_and_its_newest_post(opened: Open) -> None:
    linked, job = opened()
    first = linked.publish(job("The first one"))
    found = linked.adapter.identify(linked.cred)
    assert found.remote_id == linked.cred.remote_id
    assert found.newest_known_post in (first.ref.remote_id, None)
    assert found.newest_known_post or not linked.adapter.traits.lists_own or linked.platform is Platform("linkedin")


@every
def test_nothing_is_visible_before_finalize_and_one_post_after_it(opened: Open) -> None:
    linked, job = opened()
    made = job("Hello 世界 👋 https://example.org/x")
    staged = linked.stage(made)
    assert linked.truth() == [] and linked.visible == []
    receipt = linked.adapter.finalize(linked.cred, made, staged)
    assert len(linked.truth()) == 1
    assert linked.visible == ["sent"], "the gate is asked once, right before"
    assert receipt.ref.remote_id


@every
def test_it_reads_back_what_it_posted(opened: Open) -> None:
    linked, job = opened()
    made = job("Read me back\n\nwith a second line")
    receipt = linked.publish(made)
    found = linked.adapter.fetch(linked.cred, receipt.ref.remote_id)
    assert found is not None and same_text(found.text, made.text)
    assert found.ref.remote_id == receipt.ref.remote_id
    listed = linked.adapter.recent(linked.cred, datetime.now(UTC) - timedelta(hours=1))
    assert [post.ref.remote_id for post in listed.posts] == [receipt.ref.remote_id]
    assert listed.complete


@every
@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_an_unknown_outcome_and_the_post_is_found(opened: Open, fault: str) -> None:
    linked, job = opened()
    made = job(f"Lost by {fault}")
    staged = linked.stage(made)
    linked.fault(fault, operation="create")
    with pytest.raises(OutcomeUnknown):
        linked.adapter.finalize(linked.cred, made, staged)
    assert len(linked.truth()) == 1, "it was sent once"
    sighting = linked.adapter.locate(linked.cred, linked.search(made, staged))
    assert sighting.state is SightingState.FOUND and sighting.post is not None


@every
def test_what_is_not_there_is_never_called_found(opened: Open) -> None:
    linked, job = opened()
    linked.publish(job("Something else"))
    missing = job("This was never sent")
    sighting = linked.adapter.locate(linked.cred, linked.search(missing, linked.stage(missing)))
    # Telegram has no list, only a page for everybody, of which nobody says how soon it shows a post.
    clear = (
        {SightingState.UNSURE}
        if linked.platform is Platform("telegram")
        else {SightingState.ABSENT, SightingState.OPEN}
    )
    assert sighting.state in clear


@every
def test_a_stale_list_proves_nothing(opened: Open) -> None:
    linked, job = opened()
    newest_known_post = linked.publish(job("The one that must be there")).ref.remote_id
    missing = job("Not sent")
    staged = linked.stage(missing)
    for operation in ("timeline", "read"):
        linked.fault("stale_timeline", operation=operation, times=0, params={"seconds": 3600})
    search = linked.search(missing, staged, newest_known_post)
    found = linked.adapter.locate(linked.cred, search)
    # There the handle is read, by API, and no list; on Nostr a repeat is the same event, whatever a list says.
    handles = (Platform("bluesky"), Platform("instagram"), Platform("nostr"), Platform("wordpress"))
    assert found.state is not SightingState.ABSENT or (
        linked.platform in handles and linked.adapter.traits.mode is ReconcileMode.RECONCILE
    )


@every
def test_a_refused_access_asks_for_a_new_link_and_sends_nothing(opened: Open) -> None:
    linked, job = opened()
    made = job("Never")
    linked.control.revoke(linked.platform.value, linked.name)
    with pytest.raises(ReconnectNeeded):
        linked.adapter.identify(linked.cred)
    with pytest.raises(ReconnectNeeded):
        linked.publish(made)
    assert linked.truth() == []


@every
def test_a_fault_before_the_visible_act_is_a_clear_no(opened: Open) -> None:
    linked, _ = opened()
    linked.fault("error_before_accept", operation="any", times=0)
    with pytest.raises((Unavailable, Throttled)):
        linked.adapter.identify(linked.cred)


@every
def test_a_gate_that_says_no_sends_nothing(opened: Open) -> None:
    linked, job = opened()
    made = job("Held back")
    staged = linked.stage(made)
    adapter = linked.adapter

    def no() -> None:
        raise LeaseLost("not yours any more")

    name = "http" if hasattr(adapter, "http") else "_http"
    setattr(adapter, name, getattr(adapter, name).bound(gate=no))
    with pytest.raises(LeaseLost):
        adapter.finalize(linked.cred, made, staged)
    assert linked.truth() == []


@every
def test_a_post_that_was_taken_down_is_not_read_back(opened: Open) -> None:
    linked, job = opened()
    receipt = linked.publish(job("Soon gone"))
    linked.control.delete_post(linked.platform.value, linked.truth()[0]["id"])
    try:
        found = linked.adapter.fetch(linked.cred, receipt.ref.remote_id)
    except PlatformError:
        found = None  # it cannot tell (Instagram by API): that is no claim that it is there
    assert found is None
