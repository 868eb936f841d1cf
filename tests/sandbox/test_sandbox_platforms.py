"""What is particular to each platform: keys, paging, media, escapes, containers."""

from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from postprober.sandbox.control.client import Control
from postprober.sandbox.serve import SandboxServer
from tests.sandbox.conftest import MovableClock
from tests.sandbox.posters import InstagramPoster, LinkedInPoster, MastodonPoster, XPoster

VIDEO = b"\x00\x00\x00\x18ftypmp42" + b"v" * 200


@pytest.fixture
def x(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> XPoster:
    return XPoster(sandbox, http, picture)


@pytest.fixture
def linkedin(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> LinkedInPoster:
    return LinkedInPoster(sandbox, http, picture)


@pytest.fixture
def instagram(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> InstagramPoster:
    return InstagramPoster(sandbox, http, picture)


@pytest.fixture
def mastodon(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> MastodonPoster:
    return MastodonPoster(sandbox, http, picture)


# X


def test_x_shows_links_shortened_and_tells_the_long_form(x: XPoster) -> None:
    post_id = x.id_of(x.create("a <b> & https://example.com/a?b=1&c=2 end"))
    data = x.http.get(f"/x/2/tweets/{post_id}?post.fields=entities", headers=x.headers).json()["data"]
    (url,) = data["entities"]["urls"]
    assert url["expanded_url"] == "https://example.com/a?b=1&c=2"
    assert data["text"] == f"a &lt;b&gt; &amp; {url['url']} end"
    assert data["text"][url["start"] : url["end"]] == url["url"]
    assert x.truth()[0]["text"] == "a <b> & https://example.com/a?b=1&c=2 end"


def test_x_refuses_a_repeated_text_for_ten_minutes_unless_it_was_deleted(x: XPoster, clock: MovableClock) -> None:
    first = x.id_of(x.create("same"))
    assert x.create("same").status_code == 403
    x.http.delete(f"/x/2/tweets/{first}", headers=x.headers)
    assert x.create("same").status_code == 201
    clock.advance(601)
    assert x.create("same").status_code == 201


def test_x_pages_through_the_whole_timeline(x: XPoster, clock: MovableClock) -> None:
    ids = []
    for number in range(12):
        ids.append(x.id_of(x.create(f"number {number}")))
        clock.advance(1)
    path, seen, token = f"/x/2/users/{x.account['id']}/tweets", [], None
    while True:
        query = {"max_results": "5"} | ({"pagination_token": token} if token else {})
        page = x.http.get(path, params=query, headers=x.headers).json()
        seen += [p["id"] for p in page["data"]]
        token = page["meta"].get("next_token")
        if token is None:
            break
    since = x.http.get(path, params={"since_id": ids[9]}, headers=x.headers).json()
    assert seen == ids[::-1]
    assert [p["id"] for p in since["data"]] == [ids[11], ids[10]]


def test_x_time_windows_include_the_start_and_not_the_end(x: XPoster) -> None:
    post = x.id_of(x.create("now"))
    data = x.http.get(f"/x/2/tweets/{post}?post.fields=created_at", headers=x.headers).json()["data"]
    path, at = f"/x/2/users/{x.account['id']}/tweets", data["created_at"]
    inside = x.http.get(path, params={"start_time": "2020-01-01T00:00:00Z"}, headers=x.headers).json()
    before = x.http.get(path, params={"end_time": "2020-01-01T00:00:00Z"}, headers=x.headers).json()
    assert at.endswith("Z")
    assert inside["meta"]["result_count"] == 1
    assert before["meta"]["result_count"] == 0


def test_x_replies_need_an_existing_parent(x: XPoster) -> None:
    body = {"text": "hm", "reply": {"in_reply_to_tweet_id": "1"}}
    assert x.http.post("/x/2/tweets", json=body, headers=x.headers).status_code == 403
    parent = x.id_of(x.create("parent"))
    body["reply"] = {"in_reply_to_tweet_id": parent}
    assert x.http.post("/x/2/tweets", json=body, headers=x.headers).status_code == 201
    assert x.truth()[-1]["reply_to"] == parent


def test_x_counts_only_grow_and_differ_between_posts(x: XPoster, clock: MovableClock) -> None:
    ids = [x.id_of(x.create(text)) for text in ("one", "two")]

    def views() -> list[int]:
        query = {"ids": ",".join(ids), "post.fields": "public_metrics"}
        posts = x.http.get("/x/2/tweets", params=query, headers=x.headers).json()["data"]
        return [p["public_metrics"]["impression_count"] for p in posts]

    seen = [views()]
    for _ in range(3):
        clock.advance(60)
        seen.append(views())
    assert all(later > earlier for column in zip(*seen, strict=True) for earlier, later in pairwise(column))
    assert seen[-1][0] != seen[-1][1]


@pytest.mark.parametrize(("kind", "state"), [("slow_media", "in_progress"), ("media_failed", "failed")])
def test_x_media_can_be_slow_or_fail(x: XPoster, clock: MovableClock, kind: str, state: str) -> None:
    x.fault(kind, params={"seconds": 30})
    form = {"media_category": "tweet_image"}
    sent = x.http.post("/x/2/media/upload", headers=x.headers, files={"media": x.picture}, data=form).json()["data"]
    assert sent["processing_info"]["state"] == state
    body = {"text": "pic", "media": {"media_ids": [sent["id"]]}}
    assert x.http.post("/x/2/tweets", json=body, headers=x.headers).status_code == 400
    clock.advance(31)
    accepted = x.http.post("/x/2/tweets", json=body, headers=x.headers).status_code
    assert accepted == (201 if kind == "slow_media" else 400)


def test_x_refuses_a_file_that_is_no_picture(x: XPoster) -> None:
    form = {"media_category": "tweet_image"}
    sent = x.http.post("/x/2/media/upload", headers=x.headers, files={"media": b"text"}, data=form)
    assert sent.status_code == 400


def test_x_tells_the_rate_limit_with_every_reply(x: XPoster) -> None:
    left = [int(x.create(f"number {n}").headers["x-rate-limit-remaining"]) for n in range(2)]
    assert left[0] - left[1] == 1


def test_a_sandbox_that_was_reset_has_counted_no_requests(
    x: XPoster, sandbox: SandboxServer, http: httpx2.Client, picture: bytes
) -> None:
    first = x.create("before").headers["x-rate-limit-remaining"]
    x.control.reset()
    assert XPoster(sandbox, http, picture).create("after").headers["x-rate-limit-remaining"] == first


# LinkedIn


@pytest.mark.parametrize(
    ("commentary", "shown"),
    [
        (r"a \(b\) \#c", "a (b) #c"),
        ("hello (world)", "hello"),
        ("with @[Acme Inc](urn:li:organization:12) and #tag", "with Acme Inc and #tag"),
        (r"{hashtag|\#|dev} rules", "#dev rules"),
        ("snake_case", "snake"),
        (r"back\\slash", "back\\slash"),
    ],
)
def test_linkedin_cuts_a_commentary_at_an_unescaped_character(
    linkedin: LinkedInPoster, commentary: str, shown: str
) -> None:
    linkedin.create(commentary)
    assert [p["text"] for p in linkedin.truth()] == [shown]


def upload_image(linkedin: LinkedInPoster) -> str:
    asked = {"initializeUploadRequest": {"owner": linkedin.author}}
    path = "/linkedin/rest/images?action=initializeUpload"
    value = linkedin.http.post(path, headers=linkedin.headers, json=asked).json()["value"]
    assert linkedin.http.put(value["uploadUrl"], content=linkedin.picture).status_code == 201
    return str(value["image"])


def image_status(linkedin: LinkedInPoster, urn: str) -> str:
    path = f"/linkedin/rest/images/{quote(urn, safe='')}"
    return str(linkedin.http.get(path, headers=linkedin.headers).json()["status"])


def test_linkedin_images_are_uploaded_processed_and_posted(linkedin: LinkedInPoster, clock: MovableClock) -> None:
    urn = upload_image(linkedin)
    assert image_status(linkedin, urn) == "PROCESSING"
    clock.advance(1)
    assert image_status(linkedin, urn) == "AVAILABLE"
    body = linkedin.body("with image") | {"content": {"media": {"id": urn, "altText": "a square"}}}
    assert linkedin.http.post("/linkedin/rest/posts", headers=linkedin.headers, json=body).status_code == 201
    (media,) = linkedin.truth()[0]["media"]
    assert (media["kind"], media["alt"], len(media["sha256"])) == ("image", "a square", 64)


@pytest.mark.parametrize(("kind", "status"), [("slow_media", "PROCESSING"), ("media_failed", "PROCESSING_FAILED")])
def test_linkedin_media_can_be_slow_or_fail(
    linkedin: LinkedInPoster, clock: MovableClock, kind: str, status: str
) -> None:
    linkedin.fault(kind, params={"seconds": 30}, operation="media")
    urn = upload_image(linkedin)
    clock.advance(1)
    assert image_status(linkedin, urn) == status


def test_linkedin_videos_are_uploaded_in_parts_and_finalized(
    linkedin: LinkedInPoster, control: Control, clock: MovableClock
) -> None:
    size = len(VIDEO)
    asked = {"owner": linkedin.author, "fileSizeBytes": size, "uploadCaptions": False, "uploadThumbnail": False}
    path, headers = "/linkedin/rest/videos", linkedin.headers
    begin = linkedin.http.post(
        f"{path}?action=initializeUpload", headers=headers, json={"initializeUploadRequest": asked}
    )
    value = begin.json()["value"]
    etags = [
        linkedin.http.put(i["uploadUrl"], content=VIDEO[i["firstByte"] : i["lastByte"] + 1]).headers["etag"]
        for i in value["uploadInstructions"]
    ]
    finish = {"video": value["video"], "uploadToken": value["uploadToken"], "uploadedPartIds": etags}
    wrong = {"finalizeUploadRequest": finish | {"uploadedPartIds": ["x"]}}
    right = {"finalizeUploadRequest": finish}
    refused = linkedin.http.post(f"{path}?action=finalizeUpload", headers=headers, json=wrong)
    done = linkedin.http.post(f"{path}?action=finalizeUpload", headers=headers, json=right)
    clock.advance(1)
    status = linkedin.http.get(f"{path}/{quote(value['video'], safe='')}", headers=headers).json()["status"]
    assert (refused.status_code, done.status_code, status) == (400, 200, "AVAILABLE")


def test_linkedin_deletes_as_often_as_asked(linkedin: LinkedInPoster) -> None:
    urn = linkedin.id_of(linkedin.create("gone"))
    path = f"/linkedin/rest/posts/{quote(urn, safe='')}"
    assert [linkedin.http.delete(path, headers=linkedin.headers).status_code for _ in range(2)] == [204, 204]
    assert linkedin.listed() == []


def test_linkedin_analytics_need_their_scope_and_name_the_metric_by_version(
    linkedin: LinkedInPoster, control: Control, clock: MovableClock
) -> None:
    urn = linkedin.id_of(linkedin.create("counted"))
    clock.advance(300)
    path = f"/linkedin/rest/memberCreatorPostAnalytics?q=entity&queryType=IMPRESSION&aggregation=TOTAL&entity=(share:{quote(urn, safe='')})"
    new = linkedin.http.get(path, headers=linkedin.headers).json()["elements"][0]
    old = linkedin.http.get(path, headers=linkedin.headers | {"linkedin-version": "202604"}).json()["elements"][0]
    bob = control.account("linkedin", "bob")["access_token"]
    denied = linkedin.http.get(path, headers=linkedin.headers | {"authorization": f"Bearer {bob}"})
    assert new["metricType"] == "IMPRESSION"
    assert new["count"] > 0
    assert list(old["metricType"].values()) == ["IMPRESSION"]
    assert (denied.status_code, denied.json()["code"]) == (403, "ACCESS_DENIED")


def test_linkedin_sends_no_rate_headers(linkedin: LinkedInPoster) -> None:
    response = linkedin.create("hello")
    assert response.content == b""
    assert not [name for name in response.headers if "rate" in name or name == "retry-after"]


# Instagram


def test_instagram_containers_take_their_time_and_publish_once(
    instagram: InstagramPoster, control: Control, clock: MovableClock
) -> None:
    control.settings(container_seconds=10)
    container = instagram.container(caption="hello", alt_text="a square").json()["id"]

    def code() -> str:
        return str(instagram.get(container, fields="status_code,status").json()["status_code"])

    codes = [code()]
    assert instagram.publish(container).json()["error"]["code"] == 9007
    clock.advance(11)
    codes.append(code())
    media_id = instagram.publish(container).json()["id"]
    codes.append(code())
    again = instagram.publish(container).json()["error"]
    assert codes == ["IN_PROGRESS", "FINISHED", "PUBLISHED"]
    assert (again["code"], again["error_subcode"]) == (24, 2207008)
    assert instagram.listed() == [media_id]
    assert instagram.truth()[0]["media"][0]["alt"] == "a square"


def test_an_instagram_container_expires_after_a_day(instagram: InstagramPoster, clock: MovableClock) -> None:
    container = instagram.container(caption="late").json()["id"]
    clock.advance(86_401)
    assert instagram.get(container, fields="status_code").json()["status_code"] == "EXPIRED"
    assert instagram.publish(container).json()["error"]["error_subcode"] == 2207020


@pytest.mark.parametrize(("kind", "code"), [("slow_media", "IN_PROGRESS"), ("media_failed", "ERROR")])
def test_instagram_processing_can_be_slow_or_fail(instagram: InstagramPoster, kind: str, code: str) -> None:
    instagram.fault(kind, params={"seconds": 30})
    container = instagram.container(caption="hello").json()["id"]
    assert instagram.get(container, fields="status_code").json()["status_code"] == code
    assert instagram.publish(container).status_code == 400


def test_instagram_carousels_publish_their_items_together(instagram: InstagramPoster, sandbox: SandboxServer) -> None:
    video = f"{sandbox.url}/_media/{sandbox.world.keep_bytes(VIDEO, 'video/mp4')}"
    sandbox.control.settings(video_container_seconds=0)
    items = [
        instagram.container(is_carousel_item="true").json()["id"],
        instagram.container(is_carousel_item="true", media_type="VIDEO", image_url="", video_url=video).json()["id"],
    ]
    alone = instagram.publish(items[0])
    parent = instagram.container(media_type="CAROUSEL", image_url="", children=",".join(items), caption="both")
    media_id = instagram.publish(parent.json()["id"]).json()["id"]
    view = instagram.get(media_id, fields="media_type,children{id,media_type}").json()
    assert alone.status_code == 400
    assert view["media_type"] == "CAROUSEL_ALBUM"
    assert [child["media_type"] for child in view["children"]["data"]] == ["IMAGE", "VIDEO"]


def test_instagram_lists_are_paged_and_cut_by_time(instagram: InstagramPoster, clock: MovableClock) -> None:
    ids = []
    for number in range(3):
        ids.append(instagram.id_of(instagram.create(f"number {number}")))
        clock.advance(60)
    path = f"{instagram.account['id']}/media"
    first = instagram.get(path, fields="id,timestamp", limit=2).json()
    second = instagram.http.get(first["paging"]["next"]).json()
    last_at = instagram.truth()[-1]["created_at"]
    recent = instagram.get(path, since=int(last_at)).json()
    assert [p["id"] for p in first["data"] + second["data"]] == ids[::-1]
    assert "next" not in second["paging"]
    assert [p["id"] for p in recent["data"]] == [ids[2]]


def test_instagram_insights_know_today_s_metrics_only(instagram: InstagramPoster, clock: MovableClock) -> None:
    media_id = instagram.id_of(instagram.create("counted"))
    clock.advance(300)
    data = instagram.get(f"{media_id}/insights", metric="reach,likes,total_interactions").json()["data"]
    gone = instagram.get(f"{media_id}/insights", metric="impressions")
    assert [(d["name"], d["period"]) for d in data] == [
        ("reach", "lifetime"),
        ("likes", "lifetime"),
        ("total_interactions", "lifetime"),
    ]
    assert data[0]["values"][0]["value"] > 0
    assert gone.json()["error"]["code"] == 100


def test_instagram_counts_the_posts_of_a_day_and_refuses_beyond_the_quota(
    instagram: InstagramPoster, control: Control
) -> None:
    control.settings(instagram_quota=2)
    statuses = [instagram.create(f"number {n}").status_code for n in range(3)]
    limit = instagram.get(f"{instagram.account['id']}/content_publishing_limit", fields="config,quota_usage").json()
    assert statuses == [200, 200, 400]
    assert limit["data"][0] == {"config": {"quota_total": 2, "quota_duration": 86400}, "quota_usage": 2}


def test_instagram_fetches_from_this_machine_only(instagram: InstagramPoster) -> None:
    refused = instagram.container(image_url="http://192.0.2.1/picture.jpg")
    assert refused.json()["error"]["error_subcode"] == 2207052


def test_instagram_has_no_delete(instagram: InstagramPoster) -> None:
    media_id = instagram.id_of(instagram.create("stays"))
    query = {"access_token": instagram.account["access_token"]}
    assert instagram.http.delete(f"/instagram/{media_id}", params=query).status_code == 400
    assert instagram.listed() == [media_id]


# Mastodon


def test_mastodon_keys_live_for_an_hour(mastodon: MastodonPoster, clock: MovableClock) -> None:
    first = mastodon.id_of(mastodon.create("once", "k"))
    clock.advance(3500)
    assert mastodon.id_of(mastodon.create("once", "k")) == first
    clock.advance(200)
    assert mastodon.id_of(mastodon.create("once", "k")) != first


def test_mastodon_pages_by_links_in_both_directions(mastodon: MastodonPoster, clock: MovableClock) -> None:
    ids = []
    for number in range(5):
        ids.append(mastodon.id_of(mastodon.create(f"number {number}")))
        clock.advance(1)
    path = f"/mastodon/api/v1/accounts/{mastodon.account['id']}/statuses"
    first = mastodon.http.get(path, params={"limit": 2})
    older = mastodon.http.get(first.links["next"]["url"])
    upwards = mastodon.http.get(path, params={"min_id": ids[0], "limit": 2})
    since = mastodon.http.get(path, params={"since_id": ids[0], "limit": 2})
    assert mastodon.ids_in(first) + mastodon.ids_in(older) == [ids[4], ids[3], ids[2], ids[1]]
    assert mastodon.ids_in(upwards) == [ids[2], ids[1]]
    assert mastodon.ids_in(since) == [ids[4], ids[3]]


def test_mastodon_content_is_html_with_links_mentions_and_breaks(mastodon: MastodonPoster) -> None:
    long = "https://example.com/a/very/long/path/that/is/cut?x=1&y=2"
    content = mastodon.create(f"hi @alice <b> #tag {long}\nline\n\nparagraph").json()["content"]
    assert content.startswith("<p>hi <span")
    assert "&lt;b&gt;" in content
    assert f'href="{long.replace("&", "&amp;")}"' in content
    assert 'class="mention hashtag"' in content
    assert "<br />line</p><p>paragraph</p>" in content


def test_mastodon_private_posts_are_for_their_author(mastodon: MastodonPoster) -> None:
    form = {"status": "secret", "visibility": "private"}
    post = mastodon.http.post("/mastodon/api/v1/statuses", headers=mastodon.headers, data=form).json()
    stranger = mastodon.http.get(f"/mastodon/api/v1/statuses/{post['id']}")
    assert mastodon.found(mastodon.read(post["id"]))
    assert stranger.status_code == 404
    assert not mastodon.public(post["id"])


def test_mastodon_media_wait_until_they_are_processed(mastodon: MastodonPoster, clock: MovableClock) -> None:
    mastodon.fault("slow_media", params={"seconds": 30})
    files = {"file": ("a.jpg", mastodon.picture, "image/jpeg")}
    sent = mastodon.http.post("/mastodon/api/v2/media", headers=mastodon.headers, files=files)
    path = f"/mastodon/api/v1/media/{sent.json()['id']}"
    early = mastodon.http.get(path, headers=mastodon.headers)
    mastodon.http.put(path, headers=mastodon.headers, data={"description": "a square"})
    form: dict[str, Any] = {"status": "pic", "media_ids[]": [sent.json()["id"]]}
    refused = mastodon.http.post("/mastodon/api/v1/statuses", headers=mastodon.headers, data=form)
    clock.advance(31)
    ready = mastodon.http.get(path, headers=mastodon.headers)
    posted = mastodon.http.post("/mastodon/api/v1/statuses", headers=mastodon.headers, data=form).json()
    assert (sent.status_code, early.status_code, refused.status_code, ready.status_code) == (202, 206, 422, 200)
    assert posted["media_attachments"][0]["description"] == "a square"


def test_mastodon_media_can_fail(mastodon: MastodonPoster) -> None:
    mastodon.fault("media_failed")
    files = {"file": ("a.jpg", mastodon.picture, "image/jpeg")}
    sent = mastodon.http.post("/mastodon/api/v2/media", headers=mastodon.headers, files=files).json()
    assert mastodon.http.get(f"/mastodon/api/v1/media/{sent['id']}", headers=mastodon.headers).status_code == 422


def test_mastodon_tells_its_limits_and_they_can_be_changed(mastodon: MastodonPoster, control: Control) -> None:
    control.settings(max_characters=10)
    statuses = mastodon.http.get("/mastodon/api/v2/instance").json()["configuration"]["statuses"]
    assert (statuses["max_characters"], statuses["characters_reserved_per_url"]) == (10, 23)
    assert mastodon.create("eleven char").status_code == 422


def test_mastodon_returns_the_source_of_what_it_deletes(mastodon: MastodonPoster) -> None:
    post = mastodon.create("back to the draft <3").json()
    path = f"/mastodon/api/v1/statuses/{post['id']}"
    deleted = mastodon.http.delete(path, headers=mastodon.headers)
    assert deleted.json()["text"] == "back to the draft <3"
    assert mastodon.http.delete(path, headers=mastodon.headers).status_code == 404
    assert mastodon.http.get(urlsplit(post["url"]).path).status_code == 404
