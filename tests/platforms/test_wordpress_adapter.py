"""The WordPress adapter against its emulator and written replies: drafts, marks, refusals, options, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.identity import server_name
from postprober.domain.options import AskedFor
from postprober.domain.options import compare as compare_options
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import Draft, MediaFile, Part
from postprober.domain.remote import PartJob, ProgressState, Search, SightingState, Staged
from postprober.domain.withheld import Withheld
from postprober.errors import (
    BadInput,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient
from postprober.pipeline.core.tokens import are_shared
from postprober.platforms.common.links import PastedLink
from postprober.platforms.wordpress import links, site
from postprober.platforms.wordpress.adapter import WordPressAdapter
from postprober.platforms.wordpress.library import Library
from postprober.platforms.wordpress.limits import LIMITS
from postprober.platforms.wordpress.options import WordPressOptions, slug_for
from postprober.probe.compare import compare
from tests import specifications
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted

KEY = Platform("wordpress")
CRED = Credentials("dTpw", remote_id="7", name="anna")
JOB = PartJob("00000000-0000-4000-8000-000000000001", 0, "Hello", datetime(2026, 12, 1, tzinfo=UTC))
Photo = Callable[..., MediaFile]


@pytest.fixture
def blog(link: Link) -> Linked:
    return link(KEY)


def job(blog: Linked, text: str, *media: MediaFile, **options: Any) -> PartJob:
    return replace(blog.job(text, *media), options=options)


def drafts(blog: Linked) -> int:
    """How often a draft was made."""
    made = blog.control.log(platform="wordpress", account=blog.name)
    return sum(row["operation"] == "container" and row["status"] == 201 for row in made)


# What makes one post of a delivery


def test_a_draft_that_a_death_left_behind_is_found_and_used(blog: Linked) -> None:
    made = job(blog, "Once")
    first = blog.adapter.submit(blog.cred, made)
    assert blog.adapter.submit(blog.cred, made) == first
    assert drafts(blog) == 1 and blog.truth() == []
    blog.adapter.finalize(blog.cred, made, first)
    assert [post["id"] for post in blog.truth()] == [first.handle]


def test_a_draft_is_brought_up_to_an_edit_before_it_is_published(blog: Linked) -> None:
    made = job(blog, "Before", title="Old")
    blog.adapter.submit(blog.cred, made)
    later = replace(made, text="After", options={"title": "New"})
    receipt = blog.publish(later)
    found = blog.adapter.fetch(blog.cred, receipt.ref.remote_id)
    assert found is not None and (found.text, found.options["title"]) == ("After", "New")
    assert drafts(blog) == 1


def test_a_lost_answer_to_the_draft_is_no_harm(blog: Linked) -> None:
    made = job(blog, "Lost draft")
    blog.fault("cut_after_accept", operation="container")
    with pytest.raises(Unavailable):
        blog.adapter.submit(blog.cred, made)
    blog.publish(made)
    assert len(blog.truth()) == 1


def test_publishing_the_same_draft_again_is_the_same_post(blog: Linked) -> None:
    made = job(blog, "Twice")
    staged = blog.stage(made)
    first = blog.adapter.finalize(blog.cred, made, staged)
    again = blog.adapter.finalize(blog.cred, made, staged)
    assert first.ref == again.ref and len(blog.truth()) == 1


def test_the_control_a_post_made_at_once_is_doubled_and_gets_another_slug(blog: Linked) -> None:
    """What a careless client does: WordPress takes the same slug twice."""
    address = f"{blog.config.api_url}/wp-json/wp/v2/posts"
    body = {"title": "T", "content": "x", "status": "publish", "slug": "the-same"}
    for _ in range(2):
        assert httpx2.post(address, json=body, headers=site.authorization(blog.cred)).status_code == 201
    assert sorted(post["extra"]["record"]["slug"] for post in blog.truth()) == ["the-same", "the-same-2"]


@pytest.mark.parametrize("fault", ["cut_after_accept", "error_after_accept", "timeout_after_accept", "malformed_2xx"])
def test_a_lost_answer_is_settled_by_the_number_of_the_draft(blog: Linked, fault: str) -> None:
    made = job(blog, f"Lost by {fault}")
    staged = blog.stage(made)
    blog.fault(fault, operation="create", params={"seconds": 6} if fault.startswith("timeout") else {})
    with pytest.raises(OutcomeUnknown):
        blog.adapter.finalize(blog.cred, made, staged)
    found = blog.adapter.locate(blog.cred, blog.search(made, staged))
    assert found.state is SightingState.FOUND and found.post is not None and not found.by_words
    assert found.post.ref.remote_id == staged.handle


def test_what_never_arrived_is_open_and_goes_out_once(blog: Linked) -> None:
    made = job(blog, "Never arrived")
    staged = blog.stage(made)
    blog.fault("error_before_accept", operation="create", params={"status": 503})
    with pytest.raises(OutcomeUnknown):
        blog.adapter.finalize(blog.cred, made, staged)
    assert blog.adapter.locate(blog.cred, blog.search(made, staged)).state is SightingState.OPEN
    blog.adapter.finalize(blog.cred, made, staged)
    assert len(blog.truth()) == 1


@pytest.mark.parametrize("options", [{}, {"title": "Launch day"}, {"slug": "launch"}])
def test_a_published_post_is_found_when_its_number_was_lost_with_the_database(
    blog: Linked, options: dict[str, Any]
) -> None:
    made = job(blog, "Restored", **options)
    receipt = blog.publish(made)
    found = blog.adapter.locate(blog.cred, blog.search(made))
    assert found.state is SightingState.FOUND and found.post is not None and not found.by_words
    assert found.post.ref.remote_id == receipt.ref.remote_id
    staged = blog.adapter.submit(blog.cred, made)
    assert staged.handle == receipt.ref.remote_id, "no draft is made beside it"
    assert blog.adapter.check(blog.cred, staged).state is ProgressState.PUBLISHED


@pytest.mark.parametrize(("status", "state"), [("publish", SightingState.FOUND), ("trash", SightingState.UNSURE)])
def test_a_post_with_the_mark_is_ours_under_whatever_name_the_site_shows_it(
    scripted: Scripted, status: str, state: SightingState
) -> None:
    """After a restored database its number is not known, and an editor has given the post to somebody else."""
    mark = WordPressAdapter.new_handle(None, JOB.key, JOB.index, JOB.composed_at)  # type: ignore[arg-type]
    row = {
        "id": 12,
        "status": status,
        "slug": mark,
        "author": 9,
        "content": {"raw": "Hello"},
        "link": "https://b.example/12",
    }
    answer = Answer(200, [])
    answer.script = lambda request: httpx2.Response(200, json=[row] if "slug=" in str(request.url) else [])
    adapter, _ = scripted(KEY, answer)
    assert adapter.locate(CRED, Search(JOB, JOB.composed_at)).state is state
    if status == "publish":
        assert adapter.submit(CRED, JOB) == Staged("12"), "no second draft is made of it"
    row["status"] = "draft"
    assert adapter.locate(CRED, Search(JOB, JOB.composed_at)).state is not SightingState.FOUND, "the control"


def test_without_a_mark_the_words_decide_and_nothing_else_is_taken(blog: Linked) -> None:
    blog.publish(job(blog, "Other words"))
    missing = job(blog, "These words")
    newest = blog.truth()[0]["id"]
    assert blog.adapter.locate(blog.cred, blog.search(missing, None, newest)).state is SightingState.ABSENT
    assert blog.adapter.locate(blog.cred, blog.search(missing, None, "1")).state is SightingState.UNSURE


def test_what_somebody_threw_away_is_neither_published_nor_called_absent(blog: Linked) -> None:
    """WordPress would bring a trashed post back."""
    made = job(blog, "Thrown away")
    staged = blog.stage(made)
    blog.adapter.finalize(blog.cred, made, staged)
    blog.adapter.delete(blog.cred, staged.handle)
    assert blog.adapter.locate(blog.cred, blog.search(made, staged)).state is SightingState.UNSURE
    for again in (lambda: blog.adapter.check(blog.cred, staged), lambda: blog.adapter.submit(blog.cred, made)):
        with pytest.raises(PostRejected, match="moved the draft of this post to the trash"):
            again()


def test_a_draft_that_is_gone_for_good_is_made_anew_before_and_held_after(blog: Linked) -> None:
    made = job(blog, "Gone")
    assert blog.adapter.check(blog.cred, Staged("987654321")).state is ProgressState.GONE
    found = blog.adapter.locate(blog.cred, blog.search(made, Staged("987654321")))
    assert found.state is SightingState.UNSURE


def test_a_stale_reading_leads_to_publishing_the_same_post(blog: Linked) -> None:
    made = job(blog, "Stale")
    staged = blog.stage(made)
    blog.fault("cut_after_accept", operation="create")
    with pytest.raises(OutcomeUnknown):
        blog.adapter.finalize(blog.cred, made, staged)
    assert blog.adapter.finalize(blog.cred, made, staged).ref.remote_id == staged.handle
    assert len(blog.truth()) == 1


# Words, options, files


def test_a_gallery_and_its_descriptions_are_read_back_by_owner(blog: Linked, photo: Photo) -> None:
    files = (photo('Grey "noise" <b> & it\'s'), photo("Two", shade=91), photo("", shade=92))
    made = job(blog, "Three", *files)
    receipt = blog.publish(made)
    found = blog.adapter.fetch(blog.cred, receipt.ref.remote_id)
    assert found is not None and compare("Three", files, found).matches
    assert compare("Three", files[:2], found).matches is False, "the control"


@pytest.mark.parametrize("number", ["9" * 5000, "\u0663"])
def test_a_file_with_a_number_that_is_none_is_no_file(scripted: Scripted, photo: Photo, number: str) -> None:
    adapter, _ = scripted(KEY, Answer(200, [{"id": number, "source_url": "https://blog.example/a.png"}]))
    library = Library(adapter._http, "https://blog.example/wp-json", CRED, LIMITS, SystemClock())
    with pytest.raises(Unavailable):
        library.placed([photo()], "pp-1")


def test_a_file_that_was_stored_before_a_500_is_finished_and_not_sent_again(blog: Linked, photo: Photo) -> None:
    blog.fault("media_failed")
    receipt = blog.publish(job(blog, "With a picture", photo("One")))
    sent = [row for row in blog.control.log(platform="wordpress", account=blog.name) if row["path"].endswith("/media")]
    assert [row["method"] for row in sent] == ["POST"]
    found = blog.adapter.fetch(blog.cred, receipt.ref.remote_id)
    assert found is not None and len(found.media or ()) == 1


def test_a_file_goes_out_once_however_often_it_is_staged(blog: Linked, photo: Photo) -> None:
    made = job(blog, "Same picture", photo("One"))
    blog.adapter.submit(blog.cred, made)
    blog.publish(made)
    sent = [row for row in blog.control.log(platform="wordpress", account=blog.name) if row["path"].endswith("/media")]
    assert [row["method"] for row in sent] == ["POST"]


def test_a_file_type_that_is_not_allowed_is_an_edit_although_it_is_a_500(scripted: Scripted, photo: Photo) -> None:
    def answers(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            body = {"code": "rest_upload_sideload_error", "message": "no", "data": {"status": 500}}
            return httpx2.Response(500, json=body)
        return httpx2.Response(200, json=[])

    adapter, _ = scripted(KEY, Answer(script=answers))
    with pytest.raises(PostRejected, match="does not take this kind of file"):
        adapter.submit(CRED, replace(JOB, media=(photo(),)))


def test_options_go_out_and_come_back(blog: Linked, photo: Photo) -> None:
    asked = {
        "title": 'Big <b>"news"</b> & more',
        "excerpt": "In short",
        "categories": ["news"],
        "tags": ["Tést & q", "two"],
        "featured": True,
        "slug": "launch-day",
        "comments": "closed",
        "post_format": "gallery",
    }
    receipt = blog.publish(job(blog, "Long words", photo("Front"), photo("Inside", shade=91), **asked))
    found = blog.adapter.fetch(blog.cred, receipt.ref.remote_id)
    assert found is not None
    assert compare_options(AskedFor(WordPressOptions, asked), found.options) == ([], [])
    assert [one.alt for one in found.media or ()] == ["Front", "Inside"]
    wrong = asked | {"title": "Other", "tags": ["two"], "comments": "open"}
    assert len(compare_options(AskedFor(WordPressOptions, wrong), found.options)[0]) == 3, "the control"


def test_an_address_that_is_taken_is_told_as_a_difference(blog: Linked) -> None:
    blog.publish(job(blog, "First", slug="taken-address"))
    receipt = blog.publish(job(blog, "Second", slug="taken-address"))
    found = blog.adapter.fetch(blog.cred, receipt.ref.remote_id)
    assert found is not None
    told = compare_options(AskedFor(WordPressOptions, {"slug": "taken-address"}), found.options)[0]
    assert told == ["Address (slug) is shown as “taken-address-2” and was sent as “taken-address”."]


def test_a_category_that_the_site_has_not_is_refused_before_anything_is_made(blog: Linked) -> None:
    with pytest.raises(PostRejected, match="no category 'Nowhere'"):
        blog.adapter.submit(blog.cred, job(blog, "x", categories=["Nowhere"]))
    assert drafts(blog) == 0


def test_a_tag_that_somebody_makes_meanwhile_is_used(scripted: Scripted) -> None:
    def answers(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/tags") and request.method == "POST":
            return httpx2.Response(
                400, json={"code": "term_exists", "message": "", "data": {"status": 400, "term_id": 9}}
            )
        if request.method == "POST":
            return httpx2.Response(201, json={"id": 3, "tags": json.loads(request.content)["tags"]})
        return httpx2.Response(200, json=[])

    adapter, answer = scripted(KEY, Answer(script=answers))
    adapter.submit(CRED, replace(JOB, options={"tags": ["new"]}))
    assert json.loads(answer.requests[-1].content)["tags"] == [9]


def test_an_edit_keeps_the_address_and_said_twice_is_one_edit(blog: Linked) -> None:
    made = job(blog, "Before", title="T")
    receipt = blog.publish(made)
    adapter = blog.adapter
    assert isinstance(adapter, WordPressAdapter)
    for _ in range(2):
        found = adapter.edit(blog.cred, receipt.ref.remote_id, replace(made, text="After"))
        assert (found.text, found.ref.url) == ("After", receipt.ref.url)
    assert len(blog.truth()) == 1


def test_deleting_twice_is_no_error_and_a_stranger_number_is_refused(blog: Linked) -> None:
    receipt = blog.publish(job(blog, "Delete me"))
    blog.adapter.delete(blog.cred, receipt.ref.remote_id)
    blog.adapter.delete(blog.cred, receipt.ref.remote_id)
    assert blog.adapter.fetch(blog.cred, receipt.ref.remote_id) is None
    with pytest.raises(UnexpectedReply):
        blog.adapter.delete(blog.cred, "../users/1")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"status": "private"}, Withheld.PRIVATE),
        ({"status": "pending"}, Withheld.REVIEW),
        ({"status": "draft"}, Withheld.UNPUBLISHED),
        ({"status": "future"}, Withheld.NOT_YET),
        ({"password": "open"}, Withheld.PASSWORD),
        ({}, None),
    ],
)
def test_why_the_public_does_not_see_it_is_read_from_the_site(
    blog: Linked, change: dict[str, str], cause: Withheld | None
) -> None:
    receipt = blog.publish(job(blog, "Kept back"))
    address = f"{blog.config.api_url}/wp-json/wp/v2/posts/{receipt.ref.remote_id}"
    assert httpx2.post(address, json=change, headers=site.authorization(blog.cred)).status_code == 200
    found = blog.adapter.fetch(blog.cred, receipt.ref.remote_id)
    assert found is not None and found.withheld is cause and found.public is (cause is None)


def test_many_are_read_together_with_their_comments(blog: Linked) -> None:
    ids = [blog.publish(job(blog, f"Number {n}")).ref.remote_id for n in range(3)]
    blog.adapter.delete(blog.cred, ids[2])
    found = blog.adapter.read_many(blog.cred, [*ids, "404", "no number"])
    assert [found[one].post is not None for one in ids] == [True, True, False]
    assert found["404"].post is None and "no number" not in found
    assert found[ids[0]].counts.replies is not None and found[ids[0]].counts.likes is None


# Linking


def test_a_site_is_linked_by_its_address_a_user_and_a_password(blog: Linked) -> None:
    account = blog.control.account("wordpress", blog.name)
    typed = {"user": blog.name, "password": " ".join((account["password"][:4], account["password"][4:]))}
    cred = site.credentials(HttpClient(blog.pools), blog.config, blog.config.api_url, typed)
    assert cred.remote_id == account["id"] and cred.instance == blog.config.api_url
    assert cred.secret["api_root"] == f"{blog.config.api_url}/wp-json/"
    assert blog.adapter.identify(cred).remote_id == account["id"]
    with pytest.raises(ReconnectNeeded, match="does not accept the user name or the application password"):
        site.credentials(HttpClient(blog.pools), blog.config, blog.config.api_url, {**typed, "password": "wrong"})


@pytest.mark.parametrize(
    ("scopes", "sentence"),
    [(["edit_posts"], "may write drafts and not publish"), ([], "may not write posts")],
)
def test_who_may_not_publish_is_refused_with_one_sentence(link: Link, scopes: list[str], sentence: str) -> None:
    linked = link(KEY, scopes=scopes)
    with pytest.raises(ReconnectNeeded, match=sentence):
        linked.adapter.identify(linked.cred)


_ROOT = '<https://blog.example/wp-json/>; rel="https://api.w.org/"'
_INDEX = {"home": "https://blog.example", "namespaces": ["wp/v2"], "authentication": {"application-passwords": {}}}


@pytest.mark.parametrize(
    ("front", "index", "sentence"),
    [
        ((200, {}), (200, _INDEX), "not as a WordPress site with an open REST API"),
        ((200, {"link": _ROOT.replace("blog.example", "evil.example")}), (200, _INDEX), "at another address"),
        ((200, {"link": _ROOT.replace("blog.example", "blog.example:8443")}), (200, _INDEX), "at another address"),
        ((301, {"location": "http://blog.example/"}), (200, _INDEX), "without https"),
        ((301, {"location": "http://evil.example/"}), (200, _INDEX), "without https"),
        ((200, {"link": _ROOT}), (401, {"code": "rest_login_required"}), "REST API is closed"),
        ((200, {"link": _ROOT}), (200, {**_INDEX, "authentication": []}), "takes no application passwords"),
    ],
)
def test_a_site_that_cannot_be_used_says_why_in_one_sentence(
    front: tuple[int, dict[str, str]], index: tuple[int, Any], sentence: str, wordpress_http: Callable[..., HttpClient]
) -> None:
    asked: list[httpx2.Request] = []

    def answers(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        if request.method == "HEAD":
            return httpx2.Response(front[0], headers=front[1])
        return httpx2.Response(index[0], json=index[1])

    config = PlatformConfig(KEY, "", "")
    with pytest.raises(BadInput, match=sentence):
        site.credentials(wordpress_http(answers), config, "https://blog.example", {"user": "a", "password": "b c"})
    assert not any("authorization" in request.headers for request in asked), "the password was sent nowhere"


@pytest.mark.parametrize("folder", ["web", "home", "public", "about"])
def test_a_site_in_a_folder_is_another_one_than_the_site_of_the_host(
    folder: str, wordpress_http: Callable[..., HttpClient]
) -> None:
    where = f"https://blog.example/{folder}"

    def answers(request: httpx2.Request) -> httpx2.Response:
        if request.method == "HEAD":
            return httpx2.Response(200, headers={"link": f'<{where}/wp-json/>; rel="https://api.w.org/"'})
        return httpx2.Response(200, json={"id": 1, **_INDEX, "home": where})

    cred = site.credentials(wordpress_http(answers), PlatformConfig(KEY, "", ""), where, {"user": "a", "password": "b"})
    assert (cred.instance, cred.secret["api_root"]) == (where, f"{where}/wp-json/")
    assert server_name(KEY, cred.instance) != server_name(KEY, "https://blog.example"), (
        "user 1 of each is another account"
    )


def test_one_password_is_one_whether_its_user_came_by_name_or_by_mail(
    wordpress_http: Callable[..., HttpClient],
) -> None:
    def answers(request: httpx2.Request) -> httpx2.Response:
        if request.method == "HEAD":
            return httpx2.Response(200, headers={"link": _ROOT})
        return httpx2.Response(200, json={"id": 1, "username": "Ann", **_INDEX})

    first, second = (
        site.credentials(
            wordpress_http(answers),
            PlatformConfig(KEY, "", ""),
            "https://blog.example",
            {"user": user, "password": "b c"},
        )
        for user in ("ann@blog.example", "ann")
    )
    assert are_shared(first, second), "so linking again withdraws nothing"
    assert first.access_token == site.basic("Ann", "bc") and first.secret["identifier"] == "Ann"


def test_a_site_without_pretty_addresses_is_used_by_its_parameter(wordpress_http: Callable[..., HttpClient]) -> None:
    asked: list[str] = []

    def answers(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        if request.method == "HEAD" and request.url.host == "blog.example":
            return httpx2.Response(301, headers={"location": "https://www.blog.example/"})
        if request.method == "HEAD":
            root = '<https://www.blog.example/index.php?rest_route=/>; rel="https://api.w.org/"'
            return httpx2.Response(200, headers={"link": root})
        if "users" in str(request.url):
            return httpx2.Response(200, json={"id": 5})
        return httpx2.Response(200, json={**_INDEX, "home": "https://www.blog.example/"})

    config, http = PlatformConfig(KEY, "", ""), wordpress_http(answers)
    cred = site.credentials(http, config, "https://blog.example", {"user": "a", "password": "b c"})
    assert (cred.instance, cred.remote_id) == ("https://www.blog.example", "5")
    assert asked[-1].startswith("https://www.blog.example/index.php?rest_route=/wp/v2/users/me&context=edit")
    assert cred.secret["password"] == "bc"


@pytest.fixture
def wordpress_http() -> Any:
    from postprober.http import Pools

    opened: list[Pools] = []

    def make(script: Callable[[httpx2.Request], httpx2.Response]) -> HttpClient:
        opened.append(Pools(allow_private=True, transport=httpx2.MockTransport(script)))
        return HttpClient(opened[-1])

    yield make
    for one in opened:
        one.close()


def test_withdrawing_ends_the_password_of_this_link(blog: Linked) -> None:
    assert blog.adapter.revoke(blog.cred)
    with pytest.raises(ReconnectNeeded):
        blog.adapter.identify(blog.cred)


@pytest.mark.parametrize(
    ("pasted", "found"),
    [
        ("https://blog.example/?p=12", "12"),
        ("https://blog.example/wp-admin/post.php?post=12&action=edit", "12"),
        ("12", "12"),
        ("https://blog.example/2026/12/launch-day/", "launch-day"),
        ("https://blog.example/", ""),
        ("launch-day", ""),
        ("https://blog.example/archives/123", ""),
        ("https://blog.example/%E6%97%A5%E6%9C%AC/", "%e6%97%a5%e6%9c%ac"),
        ("https://[bad", ""),
    ],
)
def test_a_pasted_link_names_the_number_or_the_end_of_the_address(pasted: str, found: str) -> None:
    assert links.remote_id(PastedLink.read(pasted, account_id="7", handle="anna")) == found


# Checks before


def test_checks_say_what_is_missing(photo: Photo) -> None:
    adapter = WordPressAdapter.__new__(WordPressAdapter)
    assert adapter.preflight(Draft((Part("Hello"),)), LIMITS).ok
    wrong = adapter.preflight(
        Draft((Part("Hello"),), options={"title": "T", "featured": True, "slug": "Not Good"}), LIMITS
    )
    assert {one.code for one in wrong.violations} == {"featured_without_picture", "slug_unusable"}
    long = adapter.preflight(Draft((Part("x" * 100_003),), options={"title": "T"}), LIMITS)
    assert [(one.code, one.over) for one in long.violations] == [("text_too_long", 3)]


def test_an_address_is_made_of_the_title_with_the_mark_behind_it() -> None:
    assert slug_for(WordPressOptions(title="Launch day! 2027"), "pp-1") == "launch-day-2027-pp-1"
    assert slug_for(WordPressOptions(title="日本語"), "pp-1") == "pp-1"
    assert slug_for(WordPressOptions(title="A", slug="own"), "pp-1") == "own"
    assert len(slug_for(WordPressOptions(title="word " * 60), "pp-1")) < 70


# Every row of the table of errors

ROWS: dict[tuple[int, str], type[PlatformError] | str] = {
    (401, "rest_cannot_create"): ReconnectNeeded,
    (403, "rest_cannot_create"): ReconnectNeeded,
    (400, "empty_content"): PostRejected,
    (400, "rest_invalid_param"): PostRejected,
    (400, "rest_invalid_json"): PostRejected,
    (404, "rest_post_invalid_id"): "gone",
    (410, "rest_already_trashed"): "deleted",
    (401, "rest_forbidden"): "gone for strangers",
    (500, "rest_upload_sideload_error"): "edit at 500",
}


@pytest.fixture(scope="module")
def table() -> dict[tuple[int, str], dict[str, Any]]:
    path = specifications.SPECS / "errors" / "wordpress_errors.json"
    return {(row["status"], row["code"]): row for row in json.loads(path.read_text())}


def test_every_row_has_an_expectation_and_every_expectation_a_row(table: dict[tuple[int, str], Any]) -> None:
    assert set(table) == set(ROWS)


@pytest.mark.parametrize("row", [one for one, kind in ROWS.items() if not isinstance(kind, str)])
def test_a_refusal_becomes_the_error_that_names_its_cure(scripted: Scripted, row: tuple[int, str]) -> None:
    body = {"code": row[1], "message": "said so", "data": {"status": row[0], "params": {"slug": "bad"}}}
    adapter, _ = scripted(KEY, Answer(row[0], body))
    with pytest.raises(PlatformError) as caught:
        adapter.finalize(CRED, JOB, Staged("3"))
    assert type(caught.value) is ROWS[row] and caught.value.message.endswith(".")
    assert "said so" not in caught.value.message


def test_gone_is_none_when_read_and_made_anew_when_published(scripted: Scripted) -> None:
    body = {"code": "rest_post_invalid_id", "message": "Invalid post ID.", "data": {"status": 404}}
    adapter, _ = scripted(KEY, Answer(404, body))
    assert adapter.fetch(CRED, "3") is None
    with pytest.raises(Unavailable, match="made anew"):
        adapter.finalize(CRED, JOB, Staged("3"))
    adapter.delete(CRED, "3")


def test_deleted_before_is_success(scripted: Scripted) -> None:
    adapter, _ = scripted(KEY, Answer(410, {"code": "rest_already_trashed", "data": {"status": 410}}))
    adapter.delete(CRED, "3")


def test_a_404_of_a_server_before_it_is_not_gone(scripted: Scripted) -> None:
    adapter, _ = scripted(KEY, Answer(404, "<html>404</html>"))
    with pytest.raises(UnexpectedReply):
        adapter.fetch(CRED, "3")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, OutcomeUnknown), (502, OutcomeUnknown), (503, OutcomeUnknown), (302, OutcomeUnknown), (429, Throttled)],
)
def test_what_proves_nothing_about_the_visible_act_is_unknown(
    scripted: Scripted, status: int, kind: type[PlatformError]
) -> None:
    adapter, _ = scripted(KEY, Answer(status, "<html>no</html>"))
    with pytest.raises(kind):
        adapter.finalize(CRED, JOB, Staged("3"))


@pytest.mark.parametrize("body", [b"", b"<html>ok</html>", {"id": 3}, {"id": 4, "status": "publish"}, []])
def test_a_2xx_that_does_not_name_the_post_is_unknown(scripted: Scripted, body: Any) -> None:
    adapter, _ = scripted(KEY, Answer(200, body))
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, JOB, Staged("3"))


def test_maintenance_before_the_visible_act_is_said_and_waits(blog: Linked) -> None:
    blog.fault("error_before_accept", operation="container", params={"status": 503})
    with pytest.raises(Unavailable, match="down for maintenance"):
        blog.adapter.submit(blog.cred, job(blog, "Later"))


@pytest.mark.parametrize("status", [401, 403])
def test_a_guard_before_the_site_ends_no_account(scripted: Scripted, status: int) -> None:
    adapter, _ = scripted(KEY, Answer(status, "<html><h1>Blocked</h1></html>"))
    with pytest.raises(Unavailable, match="keeps programs out"):
        adapter.identify(CRED)
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, JOB, Staged("3"))


def test_another_ones_post_is_not_permitted(scripted: Scripted) -> None:
    adapter, _ = scripted(KEY, Answer(403, {"code": "rest_forbidden_context", "data": {"status": 403}}))
    with pytest.raises(Unavailable) as caught:
        adapter.fetch(CRED, "1")
    assert caught.value.code == "not_permitted"


def test_no_part_of_the_password_is_in_an_error_or_what_is_observed(blog: Linked) -> None:
    """The servers answer with what they were sent."""
    seen: list[Any] = []
    secret = blog.control.account("wordpress", blog.name)["password"]
    cred = replace(blog.cred, secret={"password": secret})
    echo = f"{cred.access_token} {secret}"

    def answers(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(500, text=echo)

    from postprober.http import Pools

    pools = Pools(allow_private=True, transport=httpx2.MockTransport(answers))
    http = HttpClient(pools).bound(secrets=[cred.access_token, secret], observer=seen.append)
    with pytest.raises(OutcomeUnknown) as caught:
        WordPressAdapter(http, blog.config).finalize(cred, JOB, Staged("3"))
    pools.close()
    assert len(seen) == 1
    told = f"{caught.value.message} {caught.value.detail} {seen}"
    assert cred.access_token not in told and secret not in told


def test_the_settle_time_and_the_largest_video_are_settings(blog: Linked) -> None:
    quick = blog.with_settings(settle_seconds="2", max_upload_mb="200").adapter
    assert quick.traits.settle == timedelta(seconds=2)
    limits = quick.limits(None)
    assert limits.video is not None and limits.video.max_bytes == 200_000_000
    usual = blog.adapter.limits(None).video
    assert usual is not None and usual.max_bytes == 64_000_000


def test_a_list_that_is_too_long_says_that_it_is_not_complete(blog: Linked) -> None:
    for number in range(3):
        blog.publish(job(blog, f"Number {number}"))
    found = blog.adapter.recent(blog.cred, datetime.now(UTC) - timedelta(hours=1))
    assert [post.text for post in found.posts] == ["Number 2", "Number 1", "Number 0"] and found.complete
    search = Search(job(blog, "Number 1"), datetime.now(UTC) - timedelta(minutes=1))
    assert blog.adapter.locate(blog.cred, search).state is SightingState.FOUND
