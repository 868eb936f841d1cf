"""What the composer says after the press, links of mails that a signed-in person opens, and other people's words in
messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.errors import Conflict
from postprober.security.tokens import sign
from postprober.services.notifications import channels
from postprober.services.people import passwords, users
from postprober.services.posts import drafts, posts
from postprober.storage import tables
from postprober.ui import acts
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    house.account(Platform("x"))
    return house


def _press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def _published(house: House, show: Show, text: str = "Words") -> tuple[AppTest, int]:
    app = show("compose")
    app.text_area[0].set_value(text)
    app = _press(app.run(), "Publish now")
    return app, posts.listing(house.core, acting(house.core, house.owner))[0][0].id


def test_a_post_that_was_deleted_since_leaves_the_way_to_the_next_one(owner: House, show: Show) -> None:
    app, post_id = _published(owner, show)
    assert app.success[0].value.startswith("Publishing")
    drafts.delete(owner.core, acting(owner.core, owner.owner), post_id)
    app = app.run()
    assert "This post was deleted." in app.info[0].value and not app.success and not app.error
    assert _press(app, "Write another post").text_area[0].value == ""


@pytest.mark.parametrize(
    ("status", "says", "well"),
    [
        ("posted", "Published on X.", True),
        ("posting", "Publishing on X", True),
        ("partial", "Partially published on X.", False),
        ("failed", "Failed on X.", False),
        ("cancelled", "Cancelled.", False),
    ],
)
def test_only_what_went_well_is_said_in_green(owner: House, show: Show, status: str, says: str, well: bool) -> None:
    app, post_id = _published(owner, show)
    with owner.core.db.write() as conn:
        conn.execute(update(tables.posts).where(tables.posts.c.id == post_id).values(status=status))
    app = app.run()
    shown = [one.value.replace("\\", "") for one in (app.success if well else app.warning)]
    assert any(says in one for one in shown) and bool(app.success) is well


def test_back_to_a_draft_opens_the_draft_again(owner: House, show: Show) -> None:
    app, post_id = _published(owner, show, "TODO: say more")
    assert drafts.get(owner.core, acting(owner.core, owner.owner), post_id).status == PostStatus.REVIEW
    app = _press(app, "Back to draft")
    assert app.text_area[0].value == "TODO: say more" and "This post is draft" not in everything(app)
    assert len(drafts.listing(owner.core, acting(owner.core, owner.owner))) == 1


# --- links of mails ---


def _opened(name: str, token: str, tmp_path: Path) -> AppTest:
    """The link of a mail, in this person's browser."""
    app = AppTest.from_file(str(tmp_path / "app.py"), default_timeout=60)
    app.query_params[name] = token
    app.run()
    assert not app.exception
    return app


def test_a_signed_in_person_who_opens_the_link_of_a_mail_confirms_the_address_by_a_press(
    owner: House, show: Show, tmp_path: Path
) -> None:
    core = owner.core
    for name, value in {"smtp_host": "127.0.0.1", "smtp_port": 9, "smtp_from": "pp@example.org"}.items():
        object.__setattr__(core.settings, name, value)
    with core.db.read() as conn:
        user = users.users.get(conn, owner.owner)
    made, _secret = channels.add(core, acting(core, user), kind="email", name="mail", url="team@example.org")
    assert not channels.get(core, acting(core, user), made.id).is_active, "the control"
    show("overview")
    token = sign(
        core.settings.secret_key,
        channels._CONFIRM,
        {"channel": made.id, "to": "team@example.org"},
        now=core.clock.now().timestamp(),
        lifetime=600,
    )
    app = _opened("confirm", token, tmp_path)
    assert not channels.get(core, acting(core, user), made.id).is_active, "mail programs open links, too"
    assert not app.title and "team@example.org" in everything(app).replace("\\", "")
    app = _press(app, "Confirm")
    assert channels.get(core, acting(core, user), made.id).is_active
    assert "Confirmed. Alerts are sent to team@example.org." in app.success[0].value.replace("\\", "")
    assert "confirm" not in app.query_params and app.title[0].value == "Overview"
    assert _press(app, "Dismiss").title and not app.success
    again = _press(_opened("confirm", token, tmp_path), "Confirm")
    assert "used already" in again.error[0].value.replace("\\", "") and not again.success
    assert _press(again, "Continue to PostProber").title[0].value == "Overview"


def test_a_signed_in_person_who_opens_a_reset_link_chooses_a_new_password(
    owner: House, show: Show, tmp_path: Path
) -> None:
    show("overview")
    token = parse_qs(urlsplit(passwords.link(owner.core, owner.owner)).query)["reset"][0]
    app = _opened("reset", token, tmp_path)
    assert [field.label for field in app.text_input] == ["New password"]
    assert _opened("reset", "invented", tmp_path).error[0].value.startswith("This link was used already")


def test_a_signed_in_person_turns_mails_off_from_the_mail(owner: House, show: Show, tmp_path: Path) -> None:
    show("overview")
    with owner.core.db.read() as conn:
        user = users.users.get(conn, owner.owner)
    made, _ = channels.add(
        owner.core, acting(owner.core, user), kind="webhook", name="on call", url="http://127.0.0.1:9/"
    )
    token = parse_qs(urlsplit(channels.turn_off_links(owner.core, made.id)[0]).query)["unsubscribe"][0]
    app = _press(_opened("unsubscribe", token, tmp_path), "Turn these mails off")
    assert (
        "no longer get mails" in app.success[0].value
        and not channels.get(owner.core, acting(owner.core, user), made.id).is_active
    )


def test_a_draft_that_cannot_be_deleted_stays_open_in_the_composer(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = show("compose")
    app.text_area[0].set_value("Words that stay")
    app = app.run().run()

    def refused(*_args: object, **_named: object) -> None:
        raise Conflict("Somebody holds it.")

    with monkeypatch.context() as busy:
        busy.setattr(drafts, "delete", refused)
        app = _press(app, "Delete")
        assert app.text_area[0].value == "Words that stay" and "Somebody holds it" in app.error[0].value
    assert _press(app, "Delete").text_area[0].value == ""
    assert not drafts.listing(owner.core, acting(owner.core, owner.owner))


def test_words_of_strangers_in_a_message_are_shown_as_typed(owner: House, show: Show) -> None:
    app = show("compose")
    app.session_state[acts._TOLD] = "**Bold** :material/home: [x](https://evil.example) is removed."
    app = app.run()
    assert app.toast[0].value.replace("\\", "") == "**Bold** :material/home: [x](https://evil.example) is removed."
    assert "[x](" not in app.toast[0].value and "**" not in app.toast[0].value.replace("\\*", "")
