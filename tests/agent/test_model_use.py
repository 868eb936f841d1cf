"""A model is asked only for spaces whose owner has agreed, on every way that leads to it; the budget is shared out."""

from __future__ import annotations

import base64
import io
import json
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import select

from postprober.agent.advisor import Advisor
from postprober.agent.small_copy import MOST_BYTES, SIDES, small_copy
from postprober.clock import ManualClock
from postprober.domain.advice import RULES, Suggestion
from postprober.domain.delivery import DeliveryState
from postprober.domain.post import MediaFile, MediaKind
from postprober.errors import BadInput, Conflict, Forbidden
from postprober.pipeline.core import transitions
from postprober.pipeline.repairs import diagnosis_job
from postprober.pipeline.repairs.model_budget import Budget, DbTokenBudget
from postprober.pipeline.repairs.model_use import CHANGED, NO_SPACE, OFF, DbModelUse
from postprober.sandbox.openai import api as sandbox_model
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.operations import model_use as service
from postprober.services.pipeline_context import context_of
from postprober.services.posts import advice, drafts, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries, usage, users
from postprober.storage import posts as post_store
from postprober.storage.database import Database
from postprober.storage.tables import ai_usage, repairs
from postprober.wiring import DEFAULT_MODEL, SANDBOX_MODEL, build_advisor
from tests.agent.agent_kit import Purse, Scripted, brief, evidence, model, picture
from tests.agent.odd_kit import Odd
from tests.agent.odd_kit import advice as advised
from tests.installed import Installation
from tests.people import acting

TEXT = "Our bridge is open. Do you know how long it took?"


def set_up(core: Core, odd: Odd, **more: Any) -> Core:
    """The installation with a model at that server, as its operator sets it up."""
    chosen = {"ai_base_url": f"{odd.url}/v1", "ai_model": "m1", **more}
    settings = core.settings.model_copy(update=chosen)
    return replace(core, settings=settings, advisor=build_advisor(settings, core.db, core.http, core.clock))


@pytest.fixture
def core(installation: Installation, odd: Odd) -> Core:
    clock = ManualClock(installation.core.clock.now())
    odd.chat = advised()
    return set_up(replace(installation.core, clock=clock), odd)


def agree(core: Core, person: int, *, on: bool = True, pictures: bool = False) -> service.SpaceModel:
    found = service.get(core, acting(core, person))
    assert found is not None
    told = service.put(core, acting(core, person), on, pictures, found.notice.model, found.notice.server)
    assert told is not None
    return told


def photograph(folder: Path, side: tuple[int, int] = (1600, 900), colour: str = "red") -> Path:
    """With EXIF that says who and where."""
    path, exif = folder / "salaries-2026.jpg", Image.Exif()
    exif[0x013B] = "Maria Secret"  # Artist
    exif[0x8825] = {2: (59.0, 54.0, 0.0)}  # GPS latitude
    Image.new("RGB", side, colour).save(path, exif=exif)
    return path


def failed(core: Core, installation: Installation) -> None:
    """A delivery that failed and is to be diagnosed."""
    account = installation.link("bluesky")
    wish = NewPost(("Hello",), (account.id,), at=core.clock.now() + timedelta(hours=1))
    post = posts.create(installation.core, acting(installation.core, installation.owner), wish)
    with core.db.write() as conn:
        (found,) = deliveries.of_post(conn, post.id)
        transitions.move(conn, found, DeliveryState.FAILED, reason="refused", now=core.clock.now(), next_at=None)


# Every way to the model


def ways(core: Core, installation: Installation, folder: Path) -> dict[str, Any]:
    """Name -> what asks the model on this way, for the owner's space."""
    owner = acting(core, installation.owner)
    account = installation.link("bluesky").id
    shown = media.add_file(core, owner, photograph(folder))
    at = core.clock.now() + timedelta(hours=1)
    draft = drafts.save(core, owner, NewPost((TEXT,), (account,)))
    planned = posts.create(core, owner, NewPost(("Planned",), (account,), at=at))

    def diagnosed() -> None:
        failed(core, installation)
        diagnosis_job.tend(context_of(core))

    return {
        "review when planned": lambda: posts.create(core, owner, NewPost((TEXT,), (account,), at=at)),
        "review when submitted": lambda: drafts.submit(core, owner, draft.id),
        "review when changed": lambda: drafts.change(
            core, owner, planned.id, NewPost(("Planned anew",), (account,), at=at)
        ),
        "suggestions": lambda: advice.ask(core, owner, planned.id),
        "preview and alt text": lambda: advice.preview(core, owner, NewPost((TEXT,), (account,), (shown,))),
        "suggestions by the scheduler": lambda: advice.make_pending(core),
        "diagnosis": diagnosed,
    }


def test_nothing_is_sent_before_an_owner_has_agreed_and_it_is_said(
    core: Core, installation: Installation, odd: Odd, tmp_path: Path
) -> None:
    for name, act in ways(core, installation, tmp_path).items():
        core.clock.advance(10)  # type: ignore[attr-defined]
        act()
        assert odd.asked == [], name
    owner = acting(core, installation.owner)
    told = advice.preview(core, owner, NewPost((TEXT,), ()))
    assert (told.note, told.by, told.incomplete) == (OFF, RULES, False)
    post = posts.create(
        core, owner, NewPost((TEXT,), (installation.link("bluesky").id,), at=core.clock.now() + timedelta(hours=1))
    )
    assert post.ai_suggestions is not None and post.ai_suggestions["note"] == OFF
    with core.db.read() as conn:
        assert [row.note for row in conn.execute(select(repairs.c.note))] == [OFF], "a diagnosis says it, too"


def test_after_an_owner_has_agreed_every_way_asks_the_model(
    core: Core, installation: Installation, odd: Odd, tmp_path: Path
) -> None:
    """The positive control of the test above: the same ways, one by one, are seen at the server."""
    agree(core, installation.owner, pictures=True)
    for name, act in ways(core, installation, tmp_path).items():
        core.clock.advance(10)  # type: ignore[attr-defined]
        del odd.asked[:]
        act()
        assert any(path.endswith("/chat/completions") for path in odd.paths()), name
        if name == "preview and alt text":
            assert "data:image/jpeg;base64," in odd.bodies()
    with core.db.read() as conn:
        assert {row.space for row in conn.execute(select(ai_usage.c.space))} == {installation.owner}


def test_a_post_does_not_wait_for_a_model_that_is_off(core: Core, installation: Installation, odd: Odd) -> None:
    owner = acting(core, installation.owner)
    advice.wait_for_model(core, owner, True)
    account, at = installation.link("bluesky").id, core.clock.now() + timedelta(hours=1)
    assert posts.create(core, owner, NewPost((TEXT,), (account,), at=at)).status == "scheduled"
    agree(core, installation.owner)
    odd.chat = 500, {"error": {"message": "no"}}
    assert posts.create(core, owner, NewPost(("Another",), (account,), at=at)).status == "review", "the control"


def test_one_space_agrees_for_itself_only(core: Core, installation: Installation, odd: Odd) -> None:
    agree(core, installation.owner)
    assert advice.preview(core, acting(core, installation.stranger), NewPost((TEXT,), ())).note == OFF
    assert odd.asked == []
    assert advice.preview(core, acting(core, installation.owner), NewPost((TEXT,), ())).note == ""
    agree(core, installation.owner, on=False)
    asked = len(odd.asked)
    assert advice.preview(core, acting(core, installation.owner), NewPost((TEXT,), ())).note == OFF
    assert len(odd.asked) == asked


def test_an_advisor_that_was_not_told_whose_questions_these_are_asks_nobody(core: Core, odd: Odd) -> None:
    told = core.advisor.review(brief(TEXT))
    assert (told.note, told.incomplete) == (NO_SPACE, False) and odd.asked == []
    assert core.advisor.diagnose(evidence()).note == NO_SPACE and odd.asked == []


# The agreement


def test_who_agreed_and_when_is_kept_and_only_an_owner_may(core: Core, installation: Installation) -> None:
    with core.db.write() as conn:
        users.write(conn, installation.teammate, core.clock.now(), owner_id=installation.owner, role="editor")
    before = service.get(core, acting(core, installation.owner))
    assert before is not None and (before.on, before.agreed_by, before.agreed_at) == (False, "", None)
    notice = before.notice
    with pytest.raises(Forbidden):
        service.put(core, acting(core, installation.teammate), True, False, notice.model, notice.server)
    made = agree(core, installation.owner)
    assert (made.on, made.agreed_by, made.because) == (True, "owner", "")
    assert made.agreed_at is not None and abs(made.agreed_at - core.clock.now()) < timedelta(seconds=1)
    seen = service.get(core, acting(core, installation.teammate))
    assert seen is not None and seen.on, "whoever works in the space sees it"


def test_the_notice_names_model_server_and_what_leaves(core: Core, installation: Installation, odd: Odd) -> None:
    found = service.get(core, acting(core, installation.owner))
    assert found is not None
    notice = found.notice
    assert (notice.model, notice.server, notice.host, notice.here) == ("m1", f"{odd.url}/v1", "127.0.0.1", False)
    for words in ("texts of posts", "alt texts", "platforms"):
        assert any(words in one for one in notice.sent), words
    for words in ("tokens in links", "names of files", "accounts", "secrets"):
        assert any(words in one for one in notice.kept), words


def test_another_model_or_server_is_agreed_to_anew(core: Core, installation: Installation, odd: Odd) -> None:
    agree(core, installation.owner)
    for more in ({"ai_model": "m2"}, {"ai_base_url": odd.url + "/other/v1"}):
        other = set_up(core, odd, **more)
        told = advice.preview(other, acting(other, installation.owner), NewPost((TEXT,), ()))
        assert told.note == CHANGED
        with pytest.raises(Conflict):  # the notice of the earlier one was read
            service.put(other, acting(other, installation.owner), True, False, "m1", f"{odd.url}/v1")
    assert odd.asked == []
    other = set_up(core, odd, ai_model="m2")
    assert agree(other, installation.owner).on


def test_without_a_model_there_is_nothing_to_agree_to(installation: Installation) -> None:
    owner = acting(installation.core, installation.owner)
    assert service.get(installation.core, owner) is None
    assert service.put(installation.core, owner, False, False, "", "") is None
    with pytest.raises(BadInput):
        service.put(installation.core, owner, True, False, "", "")


def test_the_sandboxs_own_model_is_on_until_it_is_turned_off_and_has_its_right_name(
    installation: Installation, odd: Odd
) -> None:
    assert SANDBOX_MODEL == sandbox_model.MODEL
    core = set_up(installation.core, odd, ai_base_url="", ai_model="", ai_api_key=_key("sk-sandbox"))
    owner = acting(core, installation.owner)
    found = service.get(core, owner)
    assert found is not None and found.on and found.pictures and found.notice.here
    assert found.notice.model == SANDBOX_MODEL
    assert advice.preview(core, owner, NewPost((TEXT,), ())).by == f"model {SANDBOX_MODEL} and rules"
    agree(core, installation.owner, on=False)
    assert advice.preview(core, owner, NewPost((TEXT,), ())).note == OFF
    live = set_up(core, odd, ai_base_url="", ai_model="", mode="live", ai_api_key=_key("sk-x"))
    told = service.get(live, acting(live, installation.stranger))
    assert told is not None and not told.on and told.notice.model == DEFAULT_MODEL
    assert told.notice.host == "api.openai.com"


def _key(text: str) -> SecretStr:
    return SecretStr(text)


# The budget


def test_one_space_cannot_use_up_anothers_share(database: Database) -> None:
    clock = ManualClock()
    with database.write() as conn:
        first, second = (users.add(conn, email=f"{n}@example.org", password_hash="x", now=clock.now()) for n in "ab")
    purse = DbTokenBudget(database, clock, Budget(10_000, 1.0, 0.4, 1.6), lambda _conn: 2)
    assert purse.reserve("review", "m", 3_000, first) is not None
    assert purse.reserve("review", "m", 3_000, first) is None, "its share is 5,000"
    assert purse.reserve("review", "m", 5_000, second) is not None, "which leaves the other one's whole"
    clock.advance(24 * 3600)
    assert purse.reserve("review", "m", 5_000, first) is not None
    with database.read() as conn:
        assert usage.today(conn, clock.now(), first)[0] == 5_000 and usage.today(conn, clock.now())[0] == 5_000
        assert usage.today(conn, clock.now(), second)[0] == 0


def test_a_share_in_money_holds_too(database: Database) -> None:
    clock = ManualClock()
    with database.write() as conn:
        space = users.add(conn, email="a@example.org", password_hash="x", now=clock.now())
    purse = DbTokenBudget(database, clock, Budget(10_000_000, 0.02, 0.4, 1.6), lambda _conn: 2)
    assert purse.reserve("review", "m", 7_000, space) is None, "0.0112 of 0.01"
    assert purse.reserve("review", "m", 6_000, space) is not None


def test_the_spaces_that_share_are_those_that_ask(core: Core, installation: Installation) -> None:
    use = core.advisor.use
    assert isinstance(use, DbModelUse)

    def spaces() -> int:
        with core.db.read() as conn:
            return use.spaces(conn)

    assert spaces() == 0
    agree(core, installation.owner)
    agree(core, installation.stranger)
    assert spaces() == 2
    agree(core, installation.stranger, on=False)
    assert spaces() == 1
    with core.db.read() as conn:
        all_of_them = len(users.owners(conn))
        assert replace(use, here=True).spaces(conn) == all_of_them - 1, "all but the one that said no"


def test_what_was_used_is_left_and_renews_is_shown(core: Core, installation: Installation, odd: Odd) -> None:
    agree(core, installation.owner)
    agree(core, installation.stranger)
    odd.chat = advised(usage={"prompt_tokens": 1000, "completion_tokens": 100})
    owner = acting(core, installation.owner)
    with core.db.write() as conn:  # an earlier day of the month before
        usage.reserve(
            conn,
            purpose="review",
            model="m1",
            tokens=77,
            cost_micros=7,
            now=core.clock.now() - timedelta(days=40),
            space=owner.space,
        )
    advice.preview(core, owner, NewPost((TEXT,), ()))
    found = service.get(core, owner)
    assert found is not None
    settings = core.settings
    assert found.today == service.Spent(1100, pytest.approx((1000 * 0.4 + 100 * 1.6) / 1e6))
    assert found.this_month == found.today
    assert found.share == service.Spent(settings.ai_tokens_per_day // 2, settings.ai_money_per_day / 2)
    assert found.left.tokens == found.share.tokens - 1100
    now = core.clock.now().astimezone(UTC)
    assert found.renews_at == datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    other = service.get(core, acting(core, installation.stranger))
    assert other is not None and other.today.tokens == 0 and other.left == other.share


@pytest.mark.parametrize(
    ("status", "trouble"), [(401, "accept the key"), (403, "accept the key"), (404, "know this model"), (500, "")]
)
def test_an_owner_is_shown_what_the_operator_has_to_mend(
    core: Core, installation: Installation, odd: Odd, status: int, trouble: str
) -> None:
    agree(core, installation.owner)
    odd.chat = status, {"error": {"message": "no"}}
    advice.preview(core, acting(core, installation.owner), NewPost((TEXT,), ()))
    found = service.get(core, acting(core, installation.owner))
    assert found is not None and bool(found.trouble) is bool(trouble) and trouble in found.trouble
    core.clock.advance(3600)  # type: ignore[attr-defined]
    odd.chat = advised()
    advice.preview(core, acting(core, installation.owner), NewPost((TEXT,), ()))
    found = service.get(core, acting(core, installation.owner))
    assert found is not None and found.trouble == ""


def test_a_planned_post_is_asked_about_once_more_before_it_goes_out(
    core: Core, installation: Installation, odd: Odd
) -> None:
    agree(core, installation.owner)
    odd.chat = 500, {"error": {"message": "no"}}
    owner = acting(core, installation.owner)
    at = core.clock.now() + timedelta(seconds=100)
    post = posts.create(core, owner, NewPost((TEXT,), (installation.link("bluesky").id,), at=at))
    core.clock.advance(5)  # type: ignore[attr-defined]
    assert advice.make_pending(core) == 1
    odd.chat = advised("flagged")
    core.clock.advance(60)  # type: ignore[attr-defined] # less than two minutes later, and before its time
    assert advice.make_pending(core) == 0
    core.clock.advance(5.1)  # type: ignore[attr-defined]
    assert advice.make_pending(core) == 1
    assert drafts.get(core, owner, post.id).status == "review"


# Alt texts from the picture itself


def test_the_copy_that_a_model_sees_is_small_and_says_nothing_but_the_picture(tmp_path: Path) -> None:
    path = photograph(tmp_path, (4000, 3000))
    assert b"Maria Secret" in path.read_bytes(), "it is there to be taken off"
    jpeg = small_copy(str(path))
    assert jpeg is not None and len(jpeg) <= MOST_BYTES and b"Maria" not in jpeg and b"Exif" not in jpeg
    with Image.open(io.BytesIO(jpeg)) as copy:
        assert max(copy.size) == SIDES[0] == 512 and not copy.getexif()
    assert small_copy(str(tmp_path / "gone.jpg")) is None
    noise = tmp_path / "noise.png"
    Image.frombytes("RGB", (900, 900), random.Random(1).randbytes(900 * 900 * 3)).save(noise)
    made = small_copy(str(noise))
    assert made is not None and len(made) <= MOST_BYTES


def _described(core: Core, person: int, folder: Path, text: str = TEXT, alt: str = "", colour: str = "red") -> Any:
    owner = acting(core, person)
    shown = media.add_file(core, owner, photograph(folder, colour=colour), alt)
    return advice.preview(core, owner, NewPost((text,), (), (shown,), language="de"))


def test_a_model_that_sees_suggests_an_alt_text_of_the_picture_itself(
    installation: Installation, odd: Odd, tmp_path: Path
) -> None:
    core = set_up(installation.core, odd, ai_base_url="", ai_model="", ai_api_key=_key("sk-sandbox"))
    for colour in ("red", "blue"):
        told = _described(core, installation.owner, tmp_path, colour=colour)
        (one,) = [s for s in told.suggestions if s.kind == "alt_text"]
        assert (one.after, one.by) == ((f"A wide area that is mostly {colour}.",), f"model {SANDBOX_MODEL}")
        assert one.acceptable and one.decision == "", "a person accepts it"


def test_what_is_sent_of_a_picture_is_a_small_copy_the_language_and_the_text(
    core: Core, installation: Installation, odd: Odd, tmp_path: Path
) -> None:
    agree(core, installation.owner, pictures=True)
    _described(core, installation.owner, tmp_path)
    (asked,) = [body for _, body in odd.asked if "image_url" in body]
    content = json.loads(asked)["messages"][1]["content"]
    told = json.loads(next(part["text"] for part in content if part["type"] == "text"))
    assert told == {"language": "de", "post": TEXT}
    url = next(part["image_url"]["url"] for part in content if part["type"] == "image_url")
    jpeg = base64.b64decode(url.partition(",")[2])
    with Image.open(io.BytesIO(jpeg)) as sent:
        assert sent.size == (512, 288) and not sent.getexif()
    assert "salaries" not in odd.bodies()


@pytest.mark.parametrize("why", ["no pictures allowed", "flagged by rules", "flagged by the model", "has an alt text"])
def test_a_picture_is_not_shown(core: Core, installation: Installation, odd: Odd, tmp_path: Path, why: str) -> None:
    agree(core, installation.owner, pictures=why != "no pictures allowed")
    if why == "flagged by the model":
        odd.chat = advised("flagged")
    text = "Use AKIAIOSFODNN7EXAMPLE" if why == "flagged by rules" else TEXT
    _described(core, installation.owner, tmp_path, text, "A square." if why == "has an alt text" else "")
    assert "image_url" not in odd.bodies()
    assert bool(odd.asked) is (why != "flagged by rules")


@pytest.mark.parametrize(
    "sentence",
    ["See https://evil.example now", "Ask @mallory", "x" * 401, "Two\x07lines", "", "The key AKIAIOSFODNN7EXAMPLE"],
)
def test_a_sentence_that_leads_somewhere_is_no_alt_text(sentence: str, tmp_path: Path) -> None:
    file = MediaFile(5, MediaKind.IMAGE, "image/jpeg", 900, 1600, 900, "0" * 64, str(photograph(tmp_path)), "")
    about = brief(TEXT, pictures=(replace(picture(), file=file),))
    told = Advisor(Scripted(sentence=sentence)).advise(about)
    assert not [s for s in told.suggestions if s.kind == "alt_text" and s.by != RULES]
    told = Advisor(Scripted(sentence="Ein rotes Feld.")).advise(about)
    assert [s.after for s in told.suggestions if s.kind == "alt_text"] == [("Ein rotes Feld.",)]


def test_a_picture_that_was_described_is_not_sent_again(odd: Odd, tmp_path: Path) -> None:
    file = MediaFile(5, MediaKind.IMAGE, "image/jpeg", 9, 16, 9, "0" * 64, str(photograph(tmp_path)), "")
    about = brief(TEXT, pictures=(replace(picture(), file=file),))
    odd.chat = advised()
    known = Suggestion("0" * 12, None, "", "alt_text", ("",), ("Red.",), "Seen.", "model m", 0.5, media_id=5)
    told = Advisor(model(odd.url)).advise(about, earlier=(known,))
    assert "image_url" not in odd.bodies() and known in told.suggestions
    Advisor(model(odd.url)).advise(about, earlier=(replace(known, by=RULES),))
    assert "image_url" in odd.bodies(), "what rules say of its name is no description"


def test_a_description_that_fails_leaves_the_rest_as_it_is(odd: Odd, tmp_path: Path) -> None:
    file = MediaFile(5, MediaKind.IMAGE, "image/jpeg", 9, 16, 9, "0" * 64, str(photograph(tmp_path)), "")
    about = brief(TEXT, pictures=(replace(picture(), file=file),))
    purse = Purse()

    def turn(_path: str, body: str) -> None:
        odd.chat = (400, {"error": "Model does not support images"}) if "image_url" in body else advised()

    odd.before = turn
    client = model(odd.url, purse)
    told = Advisor(client).advise(about)
    assert told.by == "model sandbox-model and rules" and not told.incomplete
    assert told.note == "The model does not read pictures."
    assert [row["outcome"] for row in purse.rows] == ["answered", "form"]
    asked = len(odd.asked)
    Advisor(client).advise(about)
    assert len(odd.asked) == asked + 2, "moderation and chat: for an hour it is not shown a picture again"


# Several drafts side by side, and drafts that change meanwhile


def _drafts(core: Core, person: int, *texts: str) -> list[int]:
    owner = acting(core, person)
    made = [drafts.save(core, owner, NewPost((text,), ())).id for text in texts]
    core.clock.advance(5)  # type: ignore[attr-defined] # past the pause while one types
    return made


def test_a_slow_answer_keeps_no_other_draft_waiting(core: Core, installation: Installation, odd: Odd) -> None:
    agree(core, installation.owner)
    others, free = threading.Semaphore(0), threading.Event()
    waited: list[bool] = []

    def turn(path: str, body: str) -> None:
        if not path.endswith("/chat/completions"):
            return
        if "slow" in body:
            waited.append(all(others.acquire(timeout=30) for _ in range(3)))  # until the others were asked about
            free.set()
        else:
            others.release()

    odd.before = turn
    made = _drafts(core, installation.owner, "the slow one", "one", "two", "three")
    assert advice.make_pending(core) == 4
    assert waited == [True] and free.is_set()
    for post_id in made:
        told = advice.of(core, acting(core, installation.owner), post_id)
        assert told is not None and "model m1" in told.by


def test_as_many_as_are_asked_about_at_once_are_bounded(core: Core, installation: Installation, odd: Odd) -> None:
    agree(core, installation.owner)
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(advice.SIDE_BY_SIDE)

    def turn(path: str, _body: str) -> None:
        nonlocal now, most
        if not path.endswith("/chat/completions"):
            return
        with lock:
            now += 1
            most = max(most, now)
        together.wait(30)
        with lock:
            now -= 1

    odd.before = turn
    _drafts(core, installation.owner, *(f"draft {n}" for n in range(2 * advice.SIDE_BY_SIDE)))
    assert advice.make_pending(core) == 2 * advice.SIDE_BY_SIDE
    assert most == advice.SIDE_BY_SIDE


def test_two_jobs_ask_about_a_draft_once(core: Core, installation: Installation, odd: Odd) -> None:
    agree(core, installation.owner)
    (post_id,) = _drafts(core, installation.owner, "only one")
    second: list[int] = []

    def turn(path: str, _body: str) -> None:
        if path.endswith("/moderations"):
            second.append(advice.make_pending(core))  # the other job, while the first one waits for the answer

    odd.before = turn
    assert advice.make_pending(core) == 1 and second == [0]
    assert odd.paths().count("/v1/chat/completions") == 1
    assert advice.of(core, acting(core, installation.owner), post_id) is not None


def test_a_draft_that_changes_is_given_up_before_the_next_question_and_asked_about_anew(
    core: Core, installation: Installation, odd: Odd
) -> None:
    agree(core, installation.owner)
    owner = acting(core, installation.owner)
    (post_id,) = _drafts(core, installation.owner, "first words")

    def turn(path: str, body: str) -> None:
        if path.endswith("/moderations") and "first words" in body:
            drafts.change(core, owner, post_id, NewPost(("second words",), ()))

    odd.before = turn
    assert advice.make_pending(core) == 0
    assert odd.paths() == ["/v1/moderations"], "the chat was not asked about words that are gone"
    core.clock.advance(5)  # type: ignore[attr-defined]
    assert advice.make_pending(core) == 1
    sent = [body for path, body in odd.asked if path.endswith("/chat/completions")]
    assert len(sent) == 1 and "second words" in sent[0]


def test_an_answer_about_an_old_version_is_never_kept(core: Core, installation: Installation, odd: Odd) -> None:
    agree(core, installation.owner)
    owner = acting(core, installation.owner)
    (post_id,) = _drafts(core, installation.owner, "first words")
    odd.chat = advised("flagged")

    def turn(path: str, _body: str) -> None:
        if path.endswith("/chat/completions"):
            drafts.change(core, owner, post_id, NewPost(("second words",), ()))

    odd.before = turn
    with pytest.raises(Conflict):
        advice.ask(core, owner, post_id)
    told = advice.of(core, owner, post_id)
    assert told is not None and told.review.verdict == "appropriate", "what the rules say of the new words"


def test_a_post_that_is_due_is_claimed_by_one(database: Database) -> None:
    """On both databases: the first one has it, until the claim ends or is given back."""
    now = ManualClock().now()
    until = now + advice._CLAIM
    with database.write() as conn:
        space = users.add(conn, email="a@example.org", password_hash="x", now=now)
        made = post_store.add(
            conn,
            space=space,
            content="Hello",
            platforms=[],
            status="draft",
            scheduled_at=None,
            options={},
            now=now,
            advice_at=now,
        )
        post = post_store.get(conn, made)
        assert post_store.version(conn, made) == post.version and post_store.version(conn, made + 1) is None
        assert not post_store.claim_advice(conn, replace(post, version=post.version + 1), now, until)
        assert post_store.claim_advice(conn, post, now, until)
        assert not post_store.claim_advice(conn, post, now, until)
        assert post_store.without_advice(conn, now, 5) == []
        post_store.free_advice(conn, post, now, now)
        assert post_store.without_advice(conn, now, 5) == [], "that was not this claim"
        post_store.free_advice(conn, post, until, now)
        assert [one.id for one in post_store.without_advice(conn, now, 5)] == [made]


def test_a_claim_that_nobody_finished_ends(core: Core, installation: Installation, odd: Odd) -> None:
    """Its process has died."""
    agree(core, installation.owner)
    (post_id,) = _drafts(core, installation.owner, "one")
    with core.db.write() as conn:
        post = post_store.get(conn, post_id)
        now = core.clock.now()
        assert post_store.claim_advice(conn, post, now, now + advice._CLAIM)
        assert not post_store.claim_advice(conn, post, now, now + advice._CLAIM)
    assert advice.make_pending(core) == 0
    core.clock.advance(advice._CLAIM.total_seconds() + 1)  # type: ignore[attr-defined]
    assert advice.make_pending(core) == 1


def test_a_key_is_not_needed_and_then_none_is_sent(odd: Odd) -> None:
    Advisor(model(odd.url, key="")).review(brief(TEXT))
    assert odd.asked and all("authorization" not in headers for headers in odd.headers)
    Advisor(model(odd.url, key="sk-1234567890")).review(brief(TEXT))
    assert odd.headers[-1]["authorization"] == "Bearer sk-1234567890", "the control"
