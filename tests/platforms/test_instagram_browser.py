"""Instagram by browser, on the sandbox's pages: it stops where a person is asked, and never clicks Share twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postprober.domain.post import MediaFile
from postprober.domain.remote import PartJob, SightingState
from postprober.errors import (
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import Exchange, HttpClient
from postprober.platforms.instagram import browser_pages as instagram_page
from postprober.platforms.instagram.browser_adapter import InstagramBrowserAdapter, session_of
from postprober.sandbox.instagram import web_html as html
from tests.platforms.browser_kit import ByBrowser, LinkedByBrowser

pytestmark = pytest.mark.slow

Photo = Callable[..., MediaFile]


@pytest.fixture
def linked(by_browser: ByBrowser) -> LinkedByBrowser:
    return by_browser()


@pytest.fixture
def job(linked: LinkedByBrowser, photo: Photo) -> PartJob:
    return linked.job("A picture of the sea #blue @nobody", photo("The sea at noon"))


def shares(linked: LinkedByBrowser) -> list[dict[str, Any]]:
    """The calls behind the Share button that arrived."""
    return [r for r in linked.control.log(account=linked.name) if r["operation"] == "create"]


def test_picture_caption_and_description_arrive_as_they_were_given(linked: LinkedByBrowser, job: PartJob) -> None:
    receipt = linked.publish(job)
    (post,) = linked.truth()
    assert (post["text"], post["media"][0]["alt"]) == (job.text, "The sea at noon")
    found = linked.adapter.fetch(linked.cred, receipt.ref.remote_id)
    assert found is not None and found.media is not None
    assert (found.text, [m.alt for m in found.media]) == (job.text, ["The sea at noon"])
    assert (receipt.ref.remote_id, receipt.ref.url) == (post["id"], post["url"])


@pytest.mark.parametrize(
    "text", ["one\n\ntwo\nthree", "世界 👩‍👩‍👧 é", '<b>&amp;"quoted"</b> {x} ${y}', "  blanks  ", "x" * 2200]
)
def test_every_caption_is_typed_as_it_is(linked: LinkedByBrowser, photo: Photo, text: str) -> None:
    linked.publish(linked.job(text, photo()))
    (post,) = linked.truth()
    assert post["text"].strip() == text.strip()


@pytest.mark.parametrize("operation", ["me", "read", "timeline"])
def test_a_challenge_page_is_a_clear_stop_and_nothing_on_it_is_clicked(
    linked: LinkedByBrowser, job: PartJob, operation: str
) -> None:
    linked.fault("challenge", operation=operation, times=0)
    code = "none"
    act = {
        "me": lambda: linked.publish(job),
        "read": lambda: linked.adapter.fetch(linked.cred, code),
        "timeline": lambda: linked.adapter.recent(linked.cred, datetime.now(UTC)),
    }[operation]
    with pytest.raises(ReconnectNeeded, match="only you may answer"):
        act()
    assert linked.truth() == [] and shares(linked) == []
    seen = [r for r in linked.control.log() if "/challenge/" in r["path"]]
    assert {r["method"] for r in seen} <= {"GET"}


def test_an_ended_session_is_a_clear_stop(linked: LinkedByBrowser, job: PartJob) -> None:
    linked.control.expire("instagram", linked.name)
    with pytest.raises(ReconnectNeeded, match="import the session again"):
        linked.publish(job)
    assert shares(linked) == []


def test_a_challenge_after_the_click_is_an_unknown_outcome(linked: LinkedByBrowser, job: PartJob) -> None:
    linked.fault("challenge", operation="create")
    with pytest.raises(OutcomeUnknown):
        linked.publish(job)
    assert len(shares(linked)) == 1 and linked.truth() == []


@pytest.mark.parametrize("fault", ["duplicate", "rate_limited", "unauthorized", "error_before_accept"])
def test_no_answer_after_the_click_is_taken_for_a_clear_no(linked: LinkedByBrowser, job: PartJob, fault: str) -> None:
    linked.fault(fault, operation="create")
    with pytest.raises(OutcomeUnknown):
        linked.publish(job)
    assert len(shares(linked)) == 1, "the page offers to try again, and nobody does"


def test_a_share_button_that_stays_is_not_clicked_a_second_time(linked: LinkedByBrowser, job: PartJob) -> None:
    linked.fault("sticky_share")
    linked.fault("slow", operation="create", params={"seconds": 2})
    linked.publish(job)
    assert len(shares(linked)) == 1 and len(linked.truth()) == 1


def test_a_second_click_would_make_a_second_post(linked: LinkedByBrowser, job: PartJob) -> None:
    """The control: the sandbox does not forgive what the adapter must not do."""
    linked.publish(job)
    linked.publish(job)
    assert len(linked.truth()) == 2


def test_it_gives_up_in_time_on_an_answer_that_never_comes(by_browser: ByBrowser, photo: Photo) -> None:
    linked = by_browser(browser_seconds="8")
    linked.fault("timeout_after_accept", params={"seconds": 30})
    with pytest.raises(OutcomeUnknown):
        linked.publish(linked.job("Never answered", photo()))
    assert len(linked.truth()) == 1


@pytest.mark.parametrize(
    ("fault", "error"), [("error_before_accept", Unavailable), ("rate_limited", Throttled), ("html_error", Unavailable)]
)
def test_what_goes_wrong_before_share_is_a_clear_no(
    linked: LinkedByBrowser, job: PartJob, fault: str, error: type[PlatformError]
) -> None:
    linked.fault(fault, operation="me")
    with pytest.raises(error):
        linked.publish(job)
    assert linked.truth() == [] and linked.visible == []


def test_an_upload_that_fails_is_unknown_because_it_follows_the_click(linked: LinkedByBrowser, job: PartJob) -> None:
    linked.fault("error_before_accept", operation="media")
    with pytest.raises(OutcomeUnknown):
        linked.publish(job)
    assert linked.truth() == []


def test_slow_pages_are_waited_for(linked: LinkedByBrowser, job: PartJob) -> None:
    linked.fault("slow", operation="me", params={"seconds": 1.5})
    linked.fault("slow", operation="media", params={"seconds": 1})
    linked.publish(job)
    assert len(linked.truth()) == 1


def test_a_page_of_another_form_publishes_nothing(
    linked: LinkedByBrowser, job: PartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html, "_DIALOG", html._DIALOG.replace(">Share<", ">Publish<"))
    with pytest.raises((Unavailable, UnexpectedReply)):
        linked.publish(job)
    assert linked.truth() == [] and linked.visible == []


def test_an_editor_that_changes_the_caption_publishes_nothing(
    linked: LinkedByBrowser, job: PartJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = "caption.addEventListener('input', () => { caption.textContent = 'Buy now!'; });"
    monkeypatch.setattr(html, "_SCRIPT", html._SCRIPT + spoilt)
    with pytest.raises(UnexpectedReply, match="changed the caption"):
        linked.publish(job)
    assert linked.truth() == [] and linked.visible == []


def test_only_one_picture_goes_this_way(linked: LinkedByBrowser, photo: Photo, video: MediaFile) -> None:
    for media in ((), (photo(), photo()), (video,)):
        with pytest.raises(PostRejected, match="exactly one picture"):
            linked.adapter.submit(linked.cred, linked.job("No", *media))


def test_a_broken_picture_is_refused_before_anything_is_opened(linked: LinkedByBrowser, photo: Photo) -> None:
    broken = photo()
    with open(broken.path, "wb") as stream:
        stream.write(b"no picture")
    with pytest.raises(PostRejected):
        linked.adapter.submit(linked.cred, linked.job("No", broken))


def test_a_list_that_was_cut_short_proves_nothing(linked: LinkedByBrowser, photo: Photo) -> None:
    for number in range(2):
        linked.publish(linked.job(f"Earlier {number}", photo()))
    linked.fault("truncated_timeline", times=0)
    search = linked.search(linked.job("Not there", photo()))
    search = replace(search, since=datetime.now(UTC) - timedelta(days=1))
    assert linked.adapter.locate(linked.cred, search).state is SightingState.UNSURE


def test_no_other_sites_cookie_is_kept() -> None:
    base = "https://www.instagram.com"
    mine = [
        {"name": "sessionid", "value": "s3cret", "domain": ".instagram.com"},
        {"name": "ds_user_id", "value": "17", "domain": "instagram.com"},
    ]
    others = [
        {"name": "SID", "value": "bank", "domain": ".bank.example"},
        {"name": "x", "value": "y", "domain": "evilinstagram.com"},
        {"name": "z", "value": "y", "domain": "com"},
    ]
    state = {"cookies": [*mine, *others], "origins": [{"origin": "https://bank.example", "localStorage": []}]}
    cred = session_of(state, base)
    kept = json.loads(cred.secret["storage_state"])
    assert kept == {"cookies": mine, "origins": []}
    assert (cred.remote_id, cred.access_token, cred.instance) == ("17", "s3cret", base)
    assert "s3cret" not in repr(cred)


@pytest.mark.parametrize("state", [None, [], {}, {"cookies": {}}, {"cookies": [1, {"name": "sessionid"}]}])
def test_what_holds_no_session_is_refused_in_one_sentence(state: object) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        session_of(state, "https://www.instagram.com")


def test_the_exchange_is_reported_without_a_secret(linked: LinkedByBrowser, job: PartJob) -> None:
    seen: list[Exchange] = []
    http = HttpClient(linked.pools).bound(request_id="r1", observer=seen.append)
    adapter = InstagramBrowserAdapter(http, linked.config, None, linked.browser)
    adapter.finalize(linked.cred, job, adapter.submit(linked.cred, job))
    (one,) = seen
    assert (one.visible, one.status, one.request_id) == (True, 200, "r1")
    assert linked.cred.access_token not in repr(one)


@pytest.mark.parametrize("code", ["CC_cEcbF3Y0", "B", "_____-____A", "DK1xGq1oX-_"])
def test_a_posts_number_and_its_code_are_the_same_thing(code: str) -> None:
    number = instagram_page.id_of(code)
    assert number.isdecimal() and instagram_page.code_for(number) == code


def test_the_code_of_a_private_post_stays_as_it_is() -> None:
    code = "CC_cEcbF3Y0" + "x" * 28
    assert instagram_page.id_of(code) == code == instagram_page.code_for(code)


def test_without_a_browser_it_says_so(linked: LinkedByBrowser) -> None:
    adapter = InstagramBrowserAdapter(HttpClient(linked.pools), linked.config)
    with pytest.raises(Unavailable, match="No browser"):
        adapter.identify(linked.cred)
