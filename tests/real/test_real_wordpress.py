"""A real WordPress: linked, written to, read as a stranger, edited, thrown away, and asked again after answers that were lost."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from postprober.cli.demo import demo_picture
from postprober.domain.account import Credentials
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.options import AskedFor
from postprober.domain.options import compare as compare_options
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import PartJob, ProgressState, Ref, Search, SightingState, Staged
from postprober.domain.withheld import Withheld
from postprober.errors import OutcomeUnknown, PlatformError, PostRejected, ReconnectNeeded, Unavailable
from postprober.http import HttpClient
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.platforms.wordpress import site
from postprober.platforms.wordpress.adapter import WordPressAdapter
from postprober.platforms.wordpress.options import WordPressOptions
from postprober.platforms.wordpress.public import read_page
from postprober.platforms.wordpress.text import read_content
from postprober.probe.compare import compare
from postprober.probe.public import look
from postprober.services.accounts import accounts
from postprober.services.media import media
from postprober.services.monitoring import monitoring
from postprober.services.people import users
from postprober.services.pipeline_context import context_of
from postprober.services.posts import posts
from postprober.settings import load_settings
from postprober.wiring import build_core, close_core
from tests.people import acting

KEY = Platform("wordpress")
CONFIG = PlatformConfig(KEY, "", "")
TIMES = 50  # of the issue: lost answers
NASTY = (
    'He said "hi" it\'s -- really --- ok... (tm) 9x9 7\'5" :) ;-) 8) :smile: Wordpress <b>bold</b> & &amp; &#8217; '
    "[gallery] [[x]] ``q`` \\ \\n %20 <!-- wp:html --> <script>alert(1)</script> - dash -\n\nhttps://example.org/a?b=1&c=2\n\n"
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ\nline two https://iana.org/x_(y) end. 日本語 🎉 👩‍👩‍👧 עברית"
)


def linked(http: HttpClient, server: str, user: str, password: str) -> Credentials:
    cred = site.credentials(http, CONFIG, server, {"user": user, "password": password})
    found = WordPressAdapter(http, CONFIG).identify(cred)
    return replace(cred, remote_id=found.remote_id, name=found.name)


@dataclass
class Desk:
    """One user of the site. `admin`: another one, who changes things behind its back."""

    http: HttpClient
    server: str
    cred: Credentials
    admin: httpx2.Client

    @property
    def adapter(self) -> WordPressAdapter:
        return WordPressAdapter(self.http, CONFIG)

    def job(self, text: str, *media: MediaFile, **options: object) -> PartJob:
        return PartJob(str(uuid.uuid4()), 0, text, datetime.now(UTC), media, options=options)

    def stage(self, job: PartJob) -> Staged:
        staged = self.adapter.submit(self.cred, job)
        assert self.adapter.check(self.cred, staged).state is ProgressState.READY
        return staged

    def publish(self, job: PartJob) -> Ref:
        return self.adapter.finalize(self.cred, job, self.stage(job)).ref

    def stranger(self, ref: Ref) -> Look:
        where = {"url": ref.url, "remote_id": ref.remote_id, "instance": self.cred.instance, "author": self.cred.name}
        return look(self.http, KEY, CONFIG, **where)

    def change(self, ref: Ref, **fields: object) -> None:
        assert self.admin.post(f"/wp-json/wp/v2/posts/{ref.remote_id}", json=fields).status_code == 200

    def all_with(self, words: str) -> list[str]:
        """Numbers of the posts and drafts with these words, whoever asks."""
        asked = {"search": words, "status": "publish,future,draft,pending,private,trash", "per_page": "100"}
        rows = self.admin.get("/wp-json/wp/v2/posts", params=asked | {"_fields": "id,status"}).json()
        return [f"{row['id']} {row['status']}" for row in rows]


@pytest.fixture(scope="module", params=["bob", "alice"])
def desk(
    request: pytest.FixtureRequest, real_http: HttpClient, wordpress: str, wordpress_passwords: dict[str, str]
) -> Iterator[Desk]:
    """bob is an author, alice an administrator: what either may write comes out differently."""
    cred = linked(real_http, wordpress, request.param, wordpress_passwords[request.param])
    auth = ("alice", wordpress_passwords["alice"])
    with httpx2.Client(base_url=wordpress, auth=auth, trust_env=False, timeout=30) as admin:
        yield Desk(real_http, wordpress, cred, admin)


def test_what_was_typed_is_what_a_stranger_and_the_page_show(desk: Desk) -> None:
    asked = {"title": 'T <b>"q"</b> it\'s -- & Wordpress', "excerpt": 'Ex "q" <i>', "tags": ['Tést & "q"', "two"]}
    asked |= {"categories": ["Uncategorized"], "comments": "closed", "post_format": "status"}
    job = desk.job(NASTY, **asked)
    ref = desk.publish(job)
    owner, seen = desk.adapter.fetch(desk.cred, ref.remote_id), desk.stranger(ref)
    assert owner is not None and owner.text == NASTY and seen.text == NASTY
    assert compare(NASTY, (), owner).matches and compare(NASTY, (), seen, author=desk.cred.name).matches
    assert compare(NASTY.replace("He", "She"), (), seen).matches is False, "the control"
    assert compare_options(AskedFor(WordPressOptions, asked), seen.options, owner.options) == ([], [])
    page = read_page(desk.http.read("GET", ref.url))
    assert page.numbers == {ref.remote_id} and read_content(page.content).text == NASTY


def test_pictures_are_proved_with_their_descriptions(desk: Desk, real_image: MediaFile) -> None:
    other = replace(real_image, sha256="ef" * 32, alt='Two <b> & "three"')
    for files, options in (((real_image,), {}), ((real_image, other), {}), ((real_image, other), {"featured": True})):
        job = desk.job("With pictures", *files, **options)
        ref = desk.publish(job)
        owner, seen = desk.adapter.fetch(desk.cred, ref.remote_id), desk.stranger(ref)
        assert owner is not None and compare("With pictures", files, owner).matches
        assert compare("With pictures", files, seen).matches and compare("With pictures", (), seen).matches is False


def test_an_edit_is_read_and_a_deleted_post_is_gone_though_its_address_leads_elsewhere(desk: Desk) -> None:
    stamp = uuid.uuid4().hex[:8]
    job = desk.job("Before the edit", slug=f"begins-{stamp}")
    ref, other = desk.publish(job), desk.publish(desk.job("Another", slug=f"begins-{stamp}-more"))
    desk.adapter.edit(desk.cred, ref.remote_id, replace(job, text="After the edit"))
    assert desk.stranger(ref).text == "After the edit"
    desk.adapter.delete(desk.cred, ref.remote_id)
    desk.adapter.delete(desk.cred, ref.remote_id)
    led = desk.http.read("GET", ref.url)
    assert led.status == 301 and led.headers["location"] == other.url, "the control"
    assert desk.stranger(ref).verdict is Verdict.GONE and desk.stranger(other).verdict is Verdict.FOUND
    assert desk.adapter.fetch(desk.cred, ref.remote_id) is None
    staged = Staged(ref.remote_id)
    assert desk.adapter.locate(desk.cred, Search(job, datetime.now(UTC), staged)).state is SightingState.UNSURE
    with pytest.raises(PostRejected, match="trash"):
        desk.adapter.check(desk.cred, staged)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"status": "private"}, Withheld.PRIVATE),
        ({"status": "pending"}, Withheld.REVIEW),
        ({"status": "draft"}, Withheld.UNPUBLISHED),
        ({"status": "publish", "date_gmt": "2099-01-01T00:00:00"}, Withheld.NOT_YET),
        ({"password": "open"}, Withheld.PASSWORD),
    ],
)
def test_what_a_moderator_keeps_back_says_why(desk: Desk, fields: dict[str, str], cause: Withheld) -> None:
    ref = desk.publish(desk.job("Kept back"))
    assert desk.stranger(ref).verdict is Verdict.FOUND
    desk.change(ref, **fields)
    owner, seen = desk.adapter.fetch(desk.cred, ref.remote_id), desk.stranger(ref)
    assert owner is not None and owner.withheld is cause
    assert seen.verdict is not Verdict.FOUND and seen.text is None


def test_who_may_not_publish_is_told_so(
    real_http: HttpClient, wordpress: str, wordpress_passwords: dict[str, str]
) -> None:
    with pytest.raises(ReconnectNeeded, match="may not write posts"):
        linked(real_http, wordpress, "carol", wordpress_passwords["carol"])
    with pytest.raises(ReconnectNeeded, match="does not accept the user name or the application password"):
        linked(real_http, wordpress, "bob", "wrong")


def test_a_site_without_pretty_addresses_is_the_same_site(desk: Desk) -> None:
    ref = desk.publish(desk.job("By its parameter"))
    plain = replace(desk.cred, secret={**desk.cred.secret, "api_root": f"{desk.server}/?rest_route=/"})
    found = desk.adapter.fetch(plain, ref.remote_id)
    assert found is not None and found.text == "By its parameter"
    assert desk.adapter.identify(plain).remote_id == desk.cred.remote_id


def test_a_500_after_the_file_was_stored_is_finished(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A damaged MP4 breaks this WordPress after it has stored the file."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(1000))
    film = MediaFile(9, MediaKind.VIDEO, "video/mp4", path.stat().st_size, 64, 64, "ab" * 32, str(path))
    staged = desk.adapter.submit(desk.cred, desk.job("With a film", film))
    assert desk.adapter.check(desk.cred, staged).state is ProgressState.READY


# Answers that are lost


class Cutter:
    """A proxy before the site. Of the next request that `cuts` says, the answer is lost: the site gets it whole and does it."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self.there = (parts.hostname or "", parts.port or 80)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.cuts: list[bytes] = []  # what such a request has to have in it
        self.drops: list[bytes] = []  # of requests that never arrive
        self.cut = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self.there) as site_side:
            request = _whole(client)
            line = request.split(b"\r\n", 1)[0] + request.split(b"\r\n\r\n", 1)[-1][:60]
            if self.drops and self.drops[0] in line:
                self.drops.pop(0)
                return
            site_side.sendall(request)
            answer = b""
            while block := site_side.recv(65536):  # this server ends each connection with its answer
                answer += block
            if self.cuts and self.cuts[0] in line:
                self.cuts.pop(0)
                self.cut += 1
                client.sendall(answer[: answer.find(b"\r\n\r\n") // 2])
                return
            client.sendall(answer)

    def close(self) -> None:
        self.socket.close()
        self.thread.join(5)


def _whole(client: socket.socket) -> bytes:
    """A request with its body; asks for an answer without a kept connection."""
    data = b""
    while b"\r\n\r\n" not in data and (block := client.recv(65536)):
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length and (block := client.recv(65536)):
        body += block
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body


@pytest.fixture
def cutter(wordpress: str) -> Iterator[Cutter]:
    made = Cutter(wordpress)
    yield made
    made.close()


PUBLISHING = b'"status":"publish"'


def careful(desk: Desk, through: Credentials, job: PartJob) -> int:
    """What the pipeline does: stage, publish, and after an unknown outcome look before anything is sent. How often it looked."""
    looks = 0
    for _ in range(6):
        try:
            staged = desk.adapter.submit(through, job)
            desk.adapter.check(through, staged)
        except Unavailable:
            continue
        for _ in range(4):
            try:
                desk.adapter.finalize(through, job, staged)
                return looks
            except OutcomeUnknown:
                looks += 1
                found = desk.adapter.locate(through, Search(job, job.composed_at - timedelta(minutes=1), staged))
                if found.state is SightingState.FOUND:
                    return looks
                assert found.state is SightingState.OPEN, found
    raise AssertionError("it never came to an end")


def careless(desk: Desk, through: Credentials, job: PartJob) -> None:
    """The control: one request that publishes at once, repeated when it got no answer."""
    for _ in range(3):
        with contextlib.suppress(PlatformError):
            url = f"{through.secret['api_root']}wp/v2/posts"
            body = {"title": "", "content": job.text, "status": "publish", "slug": "careless"}
            if desk.http.send("POST", url, json=body, headers=site.authorization(through)).ok:
                return


def test_fifty_lost_answers_double_nothing_and_the_control_doubles(desk: Desk, cutter: Cutter) -> None:
    if desk.cred.name != "bob":
        pytest.skip("once is enough; it is the same for every user")
    through = replace(desk.cred, secret={**desk.cred.secret, "api_root": f"{cutter.url}/wp-json/"})
    doubled, looked = [], 0
    for number in range(TIMES):
        words = f"lost{uuid.uuid4().hex[:12]}"
        # The answer to the publication, each third time that to the draft before it, each fourth time the request, too.
        cutter.drops = [PUBLISHING] if number % 4 == 3 else []
        cutter.cuts = [b"POST /wp-json/wp/v2/posts", PUBLISHING] if number % 3 == 2 else [PUBLISHING]
        looked += careful(desk, through, desk.job(f"Once only {words}"))
        assert cutter.cuts == [] and cutter.drops == [], "it was lost"
        if len(found := desk.all_with(words)) != 1 or not found[0].endswith("publish"):
            doubled.append(found)
    assert doubled == [] and cutter.cut == TIMES + TIMES // 3 and looked == TIMES + TIMES // 4
    words = f"control{uuid.uuid4().hex[:12]}"
    cutter.cuts = [b"POST /wp-json/wp/v2/posts"]
    careless(desk, through, desk.job(f"Twice {words}"))
    assert len(desk.all_with(words)) == 2, "the control must double, or nothing would be seen here"


def test_the_whole_way_from_a_plan_to_its_proof(
    wordpress: str, wordpress_passwords: dict[str, str], tmp_path: Path
) -> None:
    """Linked, planned with a title and a picture, published by the scheduler, and proved to match."""
    core = build_core(load_settings(data_dir=tmp_path, _env_file=None))
    actor = acting(core, users.create(core, email="real@example.org", password="0123456789abc"))
    typed = {"user": "bob", "password": wordpress_passwords["bob"]}
    account = accounts.add_by_token(core, actor, KEY, typed, instance=wordpress)
    picture = media.add_bytes(core, actor, "tick.png", demo_picture(), "A green tick ✓")
    runner = Scheduler(context_of(core), 2)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        options = {"wordpress": {"title": "From a plan", "tags": ["proved"]}}
        new = posts.NewPost((f"It's --- here: {uuid.uuid4()}",), (account.id,), (picture,), options=options)
        post_id, pause, end = posts.create(core, actor, new).id, threading.Event(), time.monotonic() + 120
        while True:
            (view,) = monitoring.post_view(core, actor, post_id).deliveries
            if view.delivery.state is DeliveryState.VERIFIED or time.monotonic() > end:
                break
            pause.wait(0.2)
        assert (view.delivery.state, view.delivery.proof) == (DeliveryState.VERIFIED, Proof.MATCHES), view
    finally:
        runner.stop()
        thread.join()
        close_core(core)
