"""The whole way on real servers: planned, published by the scheduler, proved, followed, deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from postprober.cli.demo import demo_picture
from postprober.domain.account import Credentials
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import Platform
from postprober.errors import PostRejected
from postprober.http import HttpClient
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.services.accounts import accounts
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.monitoring import details, monitoring
from postprober.services.monitoring.monitoring import DeliveryView
from postprober.services.people import users
from postprober.services.pipeline_context import context_of
from postprober.services.posts import posts
from postprober.settings import load_settings
from postprober.storage import attempts
from postprober.wiring import build_core, close_core
from tests.people import acting

LIMIT = 60.0


@dataclass
class Desk:
    """An installation with a running scheduler and both accounts linked."""

    core: Core
    user: int
    ids: dict[Platform, int]

    def publish(self, *texts: str, files: tuple[int, ...] = ()) -> dict[Platform, DeliveryView]:
        """Publish on both servers and wait for the end."""
        variants = dict.fromkeys(self.ids.values(), texts)
        new = posts.NewPost(texts, tuple(self.ids.values()), files, variants=variants)
        post_id = posts.create(self.core, acting(self.core, self.user), new).id
        return self.wait(post_id, lambda view: all(v.delivery.state is DeliveryState.VERIFIED for v in view.deliveries))

    def wait(self, post_id: int, done: Callable[[monitoring.PostView], bool]) -> dict[Platform, DeliveryView]:
        end = time.monotonic() + LIMIT
        pause = threading.Event()
        while True:
            view = monitoring.post_view(self.core, acting(self.core, self.user), post_id)
            if done(view) or time.monotonic() > end:
                return {v.delivery.platform: v for v in view.deliveries}
            pause.wait(0.2)


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, alice: Credentials, bluesky_cred: Credentials, snac: str, pds: str
) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("real")
    core = build_core(load_settings(data_dir=folder, bluesky_auth_url="https://bsky.app", _env_file=None))
    user = users.create(core, email="real@example.org", password="0123456789abc")
    ids = {
        Platform("mastodon"): accounts.add_by_token(
            core, acting(core, user), Platform("mastodon"), {"access_token": alice.access_token}, instance=snac
        ).id,
        Platform("bluesky"): accounts.add_by_token(
            core, acting(core, user), Platform("bluesky"), dict(bluesky_cred.secret), instance=pds
        ).id,
    }
    runner = Scheduler(context_of(core), 4)
    thread = threading.Thread(target=runner.run)
    thread.start()
    yield Desk(core, user, ids)
    runner.stop()
    thread.join()
    close_core(core)


def _is_proved(views: dict[Platform, DeliveryView]) -> None:
    for platform, view in views.items():
        assert view.delivery.state is DeliveryState.VERIFIED, (platform, view.explanation, view.steps)
        assert view.delivery.proof is Proof.MATCHES, (platform, view.steps)
        assert [step.status for step in view.steps[:3]] == ["success", "success", "success"]


def test_text_with_link_mention_cjk_and_emoji_is_proved_to_match(desk: Desk, bluesky_friend: Credentials) -> None:
    text = f"Hello @{bluesky_friend.name} 世界 👩‍👩‍👧 https://www.iana.org/a?b=1&c=2 #proof {time.time_ns()}"
    _is_proved(desk.publish(text))


def test_an_image_with_alt_text_is_proved_to_match(desk: Desk) -> None:
    picture = media.add_bytes(desk.core, acting(desk.core, desk.user), "tick.png", demo_picture(), "A green tick ✓")
    _is_proved(desk.publish(f"With a picture {time.time_ns()}", files=(picture,)))


def test_a_thread_of_three_is_proved_part_by_part(desk: Desk) -> None:
    stamp = time.time_ns()
    views = desk.publish(f"One {stamp}", f"Two {stamp} https://www.iana.org", f"Three {stamp} 🎉")
    _is_proved(views)
    for view in views.values():
        refs = [part.ref.remote_id for part in view.delivery.parts if part.ref]
        assert len(set(refs)) == 3


def test_engagement_is_read_where_the_server_counts_and_missing_where_it_does_not(desk: Desk) -> None:
    views = desk.publish(f"Count me {time.time_ns()}")
    post_id = views[Platform("mastodon")].delivery.post_id
    views = desk.wait(post_id, lambda view: all(v.steps[3].status for v in view.deliveries))
    assert views[Platform("mastodon")].counts["likes"] == 0
    assert views[Platform("bluesky")].counts["likes"] is None  # there is no appview beside this PDS


def test_a_post_that_is_deleted_behind_our_back_is_noticed(
    desk: Desk, real_http: HttpClient, bluesky_cred: Credentials
) -> None:
    views = desk.publish(f"Gone soon {time.time_ns()}")
    delivery = views[Platform("bluesky")].delivery
    assert delivery.remote_id
    core = desk.core
    core.adapter(Platform("bluesky"), bluesky_cred).delete(bluesky_cred, delivery.remote_id)
    seen = desk.wait(
        delivery.post_id,
        lambda view: any(v.delivery.state is DeliveryState.GHOST for v in view.deliveries),
    )
    assert seen[Platform("bluesky")].delivery.state is DeliveryState.GHOST
    assert seen[Platform("mastodon")].delivery.state is DeliveryState.VERIFIED
    (alert,) = [a for a in monitoring.alerts(core, acting(core, desk.user)) if a.delivery_id == delivery.id]
    assert alert.kind == "drifted" and "gone" in alert.message and "deleted" in alert.message
    with core.db.read() as conn:
        sends = [a for a in attempts.of_delivery(conn, delivery.id) if a.act == "publish"]
    assert len(sends) == 1  # noticed, and not sent again


def test_a_post_that_is_edited_behind_our_back_is_told_and_stays_proved(
    desk: Desk, real_http: HttpClient, bluesky_cred: Credentials
) -> None:
    views = desk.publish(f"Edited soon {time.time_ns()}")
    delivery, pds = views[Platform("bluesky")].delivery, bluesky_cred.instance
    assert delivery.remote_id
    _, _, repo, collection, rkey = delivery.remote_id.split("/")
    where = {"repo": repo, "collection": collection, "rkey": rkey}
    record = real_http.read("GET", f"{pds}/xrpc/com.atproto.repo.getRecord", params=where).json()["value"]
    changed = real_http.send(
        "POST",
        f"{pds}/xrpc/com.atproto.repo.putRecord",
        json=where | {"record": record | {"text": "Buy now"}},
        headers={"Authorization": f"Bearer {bluesky_cred.access_token}"},
    )
    assert changed.ok, changed.excerpt

    def told(_: monitoring.PostView) -> bool:
        return any(a.delivery_id == delivery.id for a in monitoring.alerts(desk.core, acting(desk.core, desk.user)))

    seen = desk.wait(delivery.post_id, told)
    assert seen[Platform("bluesky")].delivery.state is DeliveryState.VERIFIED
    (alert,) = [a for a in monitoring.alerts(desk.core, acting(desk.core, desk.user)) if a.delivery_id == delivery.id]
    assert (alert.kind, alert.type) == ("drifted", "warning")
    found = details.of(desk.core, acting(desk.core, desk.user), delivery.id).evidence[-1]
    assert found.kind == "drift" and found.body["after"][0]["text"] == "Buy now"


def test_what_was_made_can_be_deleted(desk: Desk, alice: Credentials, bluesky_cred: Credentials) -> None:
    views = desk.publish(f"Delete me {time.time_ns()}")
    bluesky, mastodon = desk.core.adapter(Platform("bluesky")), desk.core.adapter(Platform("mastodon"))
    remote = views[Platform("bluesky")].delivery.remote_id or ""
    bluesky.delete(bluesky_cred, remote)
    assert bluesky.fetch(bluesky_cred, remote) is None
    # snac answers every DELETE of a status with 404; it is said, not passed over.
    with pytest.raises(PostRejected, match="does not let programs delete"):
        mastodon.delete(alice, views[Platform("mastodon")].delivery.remote_id or "")
