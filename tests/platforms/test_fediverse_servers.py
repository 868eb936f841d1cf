"""Mastodon's adapter at servers of other kinds: GoToSocial, Hollo, Akkoma, Pixelfed and snac, as the emulator plays them."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import PartJob, Ref, Search, SightingState, Staged
from postprober.errors import OutcomeUnknown, PostRejected, ReconnectNeeded
from postprober.http import HttpClient, Pools
from postprober.platforms.common.adapter import READY
from postprober.platforms.common.links import PastedLink
from postprober.platforms.mastodon import links, public
from postprober.platforms.mastodon.adapter import PAGE, MastodonAdapter, register_app
from postprober.platforms.mastodon.software import AKKOMA, GOTOSOCIAL, HOLLO, MASTODON, PIXELFED, SNAC, software_of
from postprober.probe.compare import compare
from postprober.probe.public import look, look_at_author
from postprober.sandbox.serve import SandboxServer

KINDS = ("gotosocial", "hollo", "akkoma", "pixelfed", "snac")
SOFTWARE = dict(zip(KINDS, (GOTOSOCIAL, HOLLO, AKKOMA, PIXELFED, SNAC), strict=True))
THREADED = tuple(kind for kind in KINDS if kind != "pixelfed")
MASTODON_KEY = Platform("mastodon")
TEXT = "Grüße 日本語 🎉 & see https://example.com/a?b=1&c=2\n\nsecond paragraph"


@dataclass
class Server:
    """A sandbox that plays one of them, and an account on it."""

    kind: str
    sandbox: SandboxServer
    http: HttpClient
    adapter: MastodonAdapter
    cred: Credentials
    config: PlatformConfig
    picture: MediaFile

    @property
    def base(self) -> str:
        return self.cred.instance

    def job(self, text: str, *, index: int = 0, key: str = "", media: bool = False, **more: object) -> PartJob:
        """Pixelfed takes nothing without a picture."""
        key, now = key or str(uuid.uuid4()), datetime.now(UTC)
        files = (self.picture,) if media or self.kind == "pixelfed" else ()
        handle = self.adapter.new_handle(key, index, now)
        return PartJob(key, index, text, now, files, handle=handle, **more)  # type: ignore[arg-type]

    def stage(self, job: PartJob) -> Staged:
        staged = self.adapter.submit(self.cred, job)
        assert self.adapter.check(self.cred, staged) == READY
        return staged

    def publish(self, job: PartJob) -> Ref:
        return self.adapter.finalize(self.cred, job, self.stage(job)).ref

    def search(self, job: PartJob, **more: object) -> Search:
        return Search(job, job.composed_at - timedelta(seconds=1), author=self.cred.remote_id, **more)  # type: ignore[arg-type]

    def stranger(self, ref: Ref) -> Look:
        return look(
            self.http,
            MASTODON_KEY,
            self.config,
            url=ref.url,
            remote_id=ref.remote_id,
            instance=self.base,
            author=self.cred.name,
        )

    def fault(self, kind: str, **options: object) -> None:
        self.sandbox.control.fault("mastodon", kind, account=self.cred.name, **options)

    def living(self) -> list[str]:
        posts = self.sandbox.control.posts("mastodon", self.cred.name)
        return [post["text"] for post in posts if post["deleted_at"] is None]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        server.control.settings(media_seconds=0)
        yield server


@pytest.fixture(scope="module")
def pools() -> Iterator[Pools]:
    shared = Pools(allow_private=True, timeout=10)
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> MediaFile:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), (10, 120, 200)).save(buffer, "PNG")
    path = Path(tmp_path_factory.mktemp("files")) / "image.png"
    path.write_bytes(buffer.getvalue())
    size = path.stat().st_size
    return MediaFile(1, MediaKind.IMAGE, "image/png", size, 60, 40, "ab" * 32, str(path), alt="A blue sign")


Open = Callable[[str], Server]


@pytest.fixture
def server_of(sandbox: SandboxServer, pools: Pools, picture: MediaFile) -> Iterator[Open]:
    def make(kind: str) -> Server:
        sandbox.control.settings(mastodon_software=kind, max_characters=500)
        base = f"{sandbox.url}/mastodon"
        config = PlatformConfig(MASTODON_KEY, base, base)
        http = HttpClient(pools)
        app_scopes = register_app(http, base, "http://127.0.0.1:8000/api/callback")["scopes"].split()
        name = f"u{uuid.uuid4().hex[:10]}"
        account = sandbox.control.account("mastodon", name, scopes=app_scopes)
        cred = Credentials(str(account["access_token"]), remote_id=str(account["id"]), name=name, instance=base)
        return Server(kind, sandbox, http, MastodonAdapter(http, config), cred, config, picture)

    yield make
    sandbox.control.clear_faults()
    sandbox.control.settings(mastodon_software="", mastodon_markdown=False, max_characters=500)


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, server_of: Open) -> Server:
    return server_of(request.param)


# Linking


def test_an_account_is_linked_with_scopes_that_the_server_knows(server: Server) -> None:
    app = register_app(server.http, server.base, "http://127.0.0.1:8000/api/callback")
    asked = set(app["scopes"].split())
    assert server.adapter.identify(server.cred).remote_id == server.cred.remote_id
    if server.kind == "pixelfed":
        assert asked == {"read", "write"}, "its consent page refuses single ones"
    elif server.kind == "akkoma":
        assert "read:accounts" in asked and "profile" not in asked, "`profile` does not say there whose token it is"
    else:
        assert "profile" in asked


def test_a_dead_token_needs_a_person(server: Server) -> None:
    dead = Credentials("no-such-token", remote_id=server.cred.remote_id, instance=server.base)
    with pytest.raises(ReconnectNeeded):
        server.adapter.identify(dead)


def test_its_software_is_read_from_its_page_about_itself(server: Server) -> None:
    told = {"version": "4.5.0", "source_url": "https://github.com/mastodon/mastodon"}
    assert software_of(told) is MASTODON and software_of(None) is MASTODON
    assert software_of({"version": "0.15.0 git-1573cd", "account_domain": "gts.example"}) is GOTOSOCIAL
    limits = server.adapter.limits(server.cred)
    assert limits.server == SOFTWARE[server.kind].title


# What is refused before anything is sent


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("gotosocial", 31), ("akkoma", 31), ("pixelfed", 31), ("snac", 23)],
)
def test_a_text_that_is_too_long_says_by_how_much_as_the_server_counts(server_of: Open, kind: str, counts: int) -> None:
    """Only Mastodon counts each link the same."""
    server = server_of(kind)
    link = "https://example.com/" + "a" * 11
    text = "x" * (499 - counts) + " " + link
    media = (server.picture,) if kind == "pixelfed" else ()
    limits = server.adapter.limits(server.cred)
    assert limits.length(text) == 500
    assert server.adapter.preflight(Draft((Part(text, media),)), limits).ok
    found = server.adapter.preflight(Draft((Part("yyy" + text, media),)), limits).violations
    assert [(one.code, one.over) for one in found] == [("text_too_long", 3)]
    assert SOFTWARE[kind].title in found[0].message


@pytest.mark.parametrize("kind", ["gotosocial", "akkoma", "pixelfed"])
def test_what_the_server_itself_refuses_as_too_long_is_no_unknown_outcome(server_of: Open, kind: str) -> None:
    server = server_of(kind)
    job = server.job("x" * 501)
    staged = server.stage(job)
    with pytest.raises(PostRejected, match="refused this post"):
        server.adapter.finalize(server.cred, job, staged)
    assert server.living() == []


def test_pixelfed_needs_a_picture_in_one_post(server_of: Open) -> None:
    server = server_of("pixelfed")
    limits = server.adapter.limits(server.cred)
    bare = server.adapter.preflight(Draft((Part("words only"),)), limits)
    assert [one.code for one in bare.violations] == ["media_required"] and "Pixelfed" in bare.violations[0].message
    two = server.adapter.preflight(Draft((Part("a", (server.picture,)), Part("b", (server.picture,)))), limits)
    assert [one.code for one in two.violations] == ["thread_unsupported"]
    assert limits.poll is None and limits.max_length == 500 and limits.images.max_count == 4
    job = PartJob("k", 0, "words only", datetime.now(UTC), handle="k-0")
    with pytest.raises(PostRejected, match="Empty statuses"):
        server.adapter.finalize(server.cred, job, Staged())


@pytest.mark.parametrize(("kind", "text"), [("pixelfed", "I <3 you"), ("gotosocial", "a <b>bold</b> word")])
def test_words_that_would_be_taken_out_are_named(server_of: Open, kind: str, text: str) -> None:
    server = server_of(kind)
    limits = server.adapter.limits(server.cred)
    media = (server.picture,) if kind == "pixelfed" else ()
    found = server.adapter.preflight(Draft((Part(text, media),)), limits).violations
    assert [one.code for one in found] == ["html_removed"]
    assert server.adapter.preflight(Draft((Part("1 < 2 and 3 > 2", media),)), limits).ok
    ref = server.publish(server.job(text))
    seen = server.stranger(ref)
    assert compare(text, server.job("").media, seen).matches is False, "and it really is taken out"


def test_notes_tell_what_is_shown_otherwise(server_of: Open) -> None:
    server = server_of("hollo")
    limits = server.adapter.limits(server.cred)
    noted = server.adapter.preflight(Draft((Part("so *much* better"),)), limits)
    assert noted.ok and [one.code for one in noted.notes] == ["markdown_read"]
    assert server.adapter.preflight(Draft((Part("2 * 3 * 4 is 24, isn't it"),)), limits).notes == ()
    server = server_of("gotosocial")
    limits = server.adapter.limits(server.cred)
    noted = server.adapter.preflight(Draft((Part("hidden"),), options={"audience": "unlisted"}), limits)
    assert noted.ok and [one.code for one in noted.notes] == ["unlisted_hidden"]


def test_who_can_see_it_cannot_be_chosen_on_snac(server_of: Open) -> None:
    """It made public what was asked to be unlisted (section 10 of the platform's facts)."""
    server = server_of("snac")
    limits = server.adapter.limits(server.cred)
    for audience in ("unlisted", "followers"):
        found = server.adapter.preflight(Draft((Part("x"),), options={"audience": audience}), limits).violations
        assert [one.code for one in found] == ["option_unsupported"]
    assert server.adapter.preflight(Draft((Part("x"),)), limits).ok


def test_a_language_is_sent_as_the_server_takes_it(server_of: Open) -> None:
    server = server_of("akkoma")
    ref = server.publish(server.job("Servus", language="de-AT"))
    post = server.adapter.fetch(server.cred, ref.remote_id)
    assert post is not None and post.options["language"] == "de"
    limits = server.adapter.limits(server.cred)
    found = server.adapter.preflight(Draft((Part("x"),), options={"language": "yue"}), limits).violations
    assert [one.code for one in found] == ["language_unsupported"]


# What goes out, and what is seen of it


def test_a_text_reads_back_the_same_and_a_stranger_sees_it(server: Server) -> None:
    job = server.job(TEXT)
    ref = server.publish(job)
    owner = server.adapter.fetch(server.cred, ref.remote_id)
    assert owner is not None and compare(TEXT, job.media, owner, author=server.cred.name).matches
    seen = server.stranger(ref)
    assert seen.verdict is Verdict.FOUND, seen.reason
    assert compare(TEXT, job.media, seen, author=server.cred.name).matches
    assert compare(TEXT.replace("Grüße", "Hallo"), job.media, seen).matches is False, "a difference would be seen"


def test_a_picture_is_proved_with_its_alternative_text(server: Server) -> None:
    ref = server.publish(server.job("with a picture", media=True))
    owner = server.adapter.fetch(server.cred, ref.remote_id)
    assert owner is not None and compare("with a picture", (server.picture,), owner).matches
    seen = server.stranger(ref)
    assert seen.media is not None and compare("with a picture", (server.picture,), seen).matches
    assert compare("with a picture", (), seen).matches is False
    [post] = server.sandbox.control.posts("mastodon", server.cred.name)
    server.sandbox.control.edit_post("mastodon", post["id"], alt="something else")
    assert compare("with a picture", (server.picture,), server.stranger(ref)).matches is False


@pytest.mark.parametrize("kind", THREADED)
def test_a_thread_of_two_hangs_together(server_of: Open, kind: str) -> None:
    server = server_of(kind)
    key = str(uuid.uuid4())
    first = server.publish(server.job("the first part", key=key))
    second = server.publish(server.job("the second part", key=key, index=1, parent=first, root=first))
    post = server.adapter.fetch(server.cred, second.remote_id)
    assert post is not None and post.reply_to == first.remote_id
    assert compare("the first part", (), server.stranger(first)).matches
    assert compare("the second part", (), server.stranger(second)).matches, "not the post above it on the same page"


def test_what_is_edited_or_deleted_behind_our_back_is_seen(server: Server) -> None:
    job = server.job("as it was sent")
    ref = server.publish(job)
    assert compare(job.text, job.media, server.stranger(ref)).matches
    server.sandbox.control.edit_post("mastodon", ref.remote_id, "something quite different")
    owner = server.adapter.fetch(server.cred, ref.remote_id)
    assert owner is not None and compare(job.text, job.media, owner).matches is False
    assert compare(job.text, job.media, server.stranger(ref)).matches is False
    server.sandbox.control.delete_post("mastodon", ref.remote_id)
    assert server.adapter.fetch(server.cred, ref.remote_id) is None
    assert server.stranger(ref).verdict is Verdict.GONE


def test_deleting_is_done_or_said_to_be_impossible(server: Server) -> None:
    ref = server.publish(server.job("to be deleted"))
    if server.kind == "snac":
        with pytest.raises(PostRejected, match="does not let programs delete"):
            server.adapter.delete(server.cred, ref.remote_id)
        assert server.living() == ["to be deleted"]
        return
    server.adapter.delete(server.cred, ref.remote_id)
    assert server.living() == []
    server.adapter.delete(server.cred, ref.remote_id)  # once more: it is gone, so nothing is wrong


def test_unlisted_posts_of_gotosocial_are_no_ghosts(server_of: Open) -> None:
    server = server_of("gotosocial")
    hidden = server.publish(server.job("unlisted", options={"audience": "unlisted"}))
    post = server.adapter.fetch(server.cred, hidden.remote_id)
    assert post is not None and post.public is False, "its owner's reading says so, and no stranger is sent"
    assert server.stranger(hidden).verdict is Verdict.GONE, "what a stranger would have been told"
    shown = server.publish(server.job("public"))
    post = server.adapter.fetch(server.cred, shown.remote_id)
    assert post is not None and post.public is None


def test_a_content_warning_is_shown_with_the_words_behind_it(server: Server) -> None:
    job = server.job("the end of the film", options={"content_warning": "Spoilers"})
    ref = server.publish(job)
    owner = server.adapter.fetch(server.cred, ref.remote_id)
    assert owner is not None and owner.options["content_warning"] == "Spoilers"
    assert compare(job.text, job.media, server.stranger(ref)).matches


# A reply that is lost


def test_a_lost_reply_is_found_and_nothing_is_sent_twice(server: Server) -> None:
    job = server.job("sent once, whatever became of the reply")
    staged = server.stage(job)
    server.fault("cut_after_accept", operation="create")
    with pytest.raises(OutcomeUnknown):
        server.adapter.finalize(server.cred, job, staged)
    found = server.adapter.locate(server.cred, server.search(job))
    assert found.state is SightingState.FOUND, found.reason
    assert len(server.living()) == 1


@pytest.mark.parametrize(
    ("kind", "copies"), [("gotosocial", 2), ("snac", 2), ("hollo", 1), ("akkoma", 1), ("pixelfed", 1)]
)
def test_who_repeats_without_looking_makes_two_where_the_key_is_not_kept(
    server_of: Open, kind: str, copies: int
) -> None:
    server = server_of(kind)
    job = server.job("repeated without a look")
    staged = server.stage(job)
    server.fault("cut_after_accept", operation="create")
    with pytest.raises(OutcomeUnknown):
        server.adapter.finalize(server.cred, job, staged)
    if kind == "pixelfed":  # what it says of a used key tells nothing of what became of it
        with pytest.raises(OutcomeUnknown):
            server.adapter.finalize(server.cred, job, staged)
    else:
        server.adapter.finalize(server.cred, job, staged)
    assert len(server.living()) == copies


@pytest.mark.parametrize("kind", ["hollo", "gotosocial"])
def test_words_that_became_formatting_are_known_by_their_source(server_of: Open, kind: str) -> None:
    """Else the list would not have the text that was sent, and a second post would go out."""
    server = server_of(kind)
    job = server.job("so *much* better than `before`")
    staged = server.stage(job)
    server.sandbox.control.settings(mastodon_markdown=True)
    server.fault("cut_after_accept", operation="create")
    with pytest.raises(OutcomeUnknown):
        server.adapter.finalize(server.cred, job, staged)
    assert server.adapter.locate(server.cred, server.search(job)).state is SightingState.FOUND
    [ref] = [Ref(post["id"], post["url"]) for post in server.sandbox.control.posts("mastodon", server.cred.name)]
    owner = server.adapter.fetch(server.cred, ref.remote_id)
    assert owner is not None and compare(job.text, (), owner).matches
    seen = compare(job.text, (), server.stranger(ref))
    assert seen.matches and (seen.notes != ()) is (kind == "hollo"), "GoToSocial was told to take it as it is"
    another = server.job("so *much* worse")
    assert server.adapter.locate(server.cred, server.search(another)).state is SightingState.ABSENT


def test_a_server_that_hides_the_source_leaves_it_to_a_person(server_of: Open) -> None:
    server = server_of("hollo")
    server.publish(server.job("so *much* better"))
    server.fault("error_before_accept", operation="any", after=1, params={"status": 500})
    sighting = server.adapter.locate(server.cred, server.search(server.job("something else")))
    assert sighting.state is SightingState.UNSURE


def test_the_list_of_own_posts_goes_beyond_one_page(server: Server) -> None:
    first = server.job("the oldest of many")
    server.publish(first)
    for number in range(PAGE + 2):
        server.publish(server.job(f"number {number}"))
    found = server.adapter.locate(server.cred, server.search(first))
    assert found.state is SightingState.FOUND, found.reason
    missing = server.adapter.locate(server.cred, server.search(server.job("never sent")))
    wanted = SightingState.UNSURE if server.kind == "snac" else SightingState.ABSENT
    assert missing.state is wanted, "snac sends all or the newest, and never says which"


def test_an_answer_that_pixelfed_never_lists_is_never_called_absent(server_of: Open) -> None:
    server = server_of("pixelfed")
    parent = server.publish(server.job("the post"))
    answer = server.job("an answer to it", parent=parent, root=parent)
    server.publish(answer)
    assert server.adapter.locate(server.cred, server.search(answer)).state is SightingState.UNSURE


# Links and pages


def test_ids_are_found_in_links_of_theirs(server: Server) -> None:
    ref = server.publish(server.job("linked"))
    assert links.remote_id(PastedLink.read(ref.url, account_id="", handle="")) == ref.remote_id
    profile = f"{server.base}/@{server.cred.name}"
    for page in (profile, f"{profile}/statuses", f"{profile}/posts"):
        assert links.remote_id(PastedLink.read(page, account_id="", handle="")) == ""


@pytest.mark.parametrize(
    ("page", "author"),
    [
        ("https://gts.example/@ann/statuses/01ABC", "https://gts.example/@ann"),
        ("https://hollo.example/@ann/0190-ab", "https://hollo.example/@ann"),
        ("https://pix.example/p/ann/12", "https://pix.example/ann"),
        ("https://akko.example/notice/AbC", "https://akko.example/@ann"),
        ("https://snac.example/ann/p/1.2", ""),
    ],
)
def test_the_page_of_an_author_is_known(server_of: Open, page: str, author: str) -> None:
    config = PlatformConfig(MASTODON_KEY, "https://x.example", "https://x.example")
    assert public.author_page(config, page, "ann") == author


def test_a_closed_api_is_told_from_a_post_that_is_gone(server_of: Open) -> None:
    for kind in ("gotosocial", "pixelfed"):
        server = server_of(kind)
        ref = server.publish(server.job("closed"))
        told = public.read(server.http, server.config, "", ref.remote_id, server.base)
        assert told.verdict is Verdict.LOGIN_WALL, told.reason
    server = server_of("hollo")
    assert public.read(server.http, server.config, "", "0190", server.base).verdict is Verdict.GONE
    assert look_at_author(server.http, MASTODON_KEY, server.config, url="", name="ann") is Verdict.UNSURE
