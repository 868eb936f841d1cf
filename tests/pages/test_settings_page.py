"""The Settings page: profile, sign-in, tokens, retention and people."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyotp
import pytest
import zxingcpp
from PIL import Image
from streamlit.testing.v1 import AppTest

from postprober.pipeline.repairs.model_use import OFF
from postprober.services.operations import model_use, retention
from postprober.services.people import api_tokens, people, second_factor, signins, users
from postprober.storage.records import User
from postprober.ui.components.settings.security import browser_name, qr_code
from postprober.wiring import build_advisor
from tests.pages.conftest import PASSWORD, House, everything
from tests.people import acting

Show = Callable[[str], AppTest]


def _user(house: House, user_id: int) -> User:
    with house.core.db.read() as conn:
        return users.users.get(conn, user_id)


def _field(app: AppTest, label: str) -> AppTest:
    return next(field for field in app.text_input if field.label == label)


def _press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception
    return app


def test_the_profile_is_saved_and_a_wrong_one_is_told(house: House, show: Show) -> None:
    house.sign_in()
    app = show("settings")
    _field(app, "Name").set_value("Ada")
    app = _press(app, "Save")
    assert app.toast[0].value.replace("\\", "") == "Profile saved." and _user(house, house.owner).name == "Ada"
    _field(app, "Name").set_value("x\x07")
    assert "control characters" in _press(app, "Save").error[0].value


def test_the_password_is_changed_here_and_others_are_signed_out(house: House, show: Show) -> None:
    other = house.sign_in()
    house.sign_in()
    app = show("settings")
    _field(app, "Current password").set_value("wrong password")
    _field(app, "New password").set_value("a new good password")
    app = _press(app, "Change password")
    assert "wrong" in app.error[0].value
    _field(app, "Current password").set_value(PASSWORD)
    _field(app, "New password").set_value("a new good password")
    app = _press(app, "Change password")
    assert "changed" in app.toast[0].value
    assert users.session_user(house.core, other) is None and users.session_user(house.core, house.token) is not None


def test_a_second_factor_is_set_up_with_a_code_and_its_recovery_codes_are_shown_once(house: House, show: Show) -> None:
    house.sign_in()
    app = _press(show("settings"), "Set up")
    secret = next(block.value for block in app.code)
    _field(app, "Your password").set_value(PASSWORD)
    _field(app, "Code from the app").set_value("000000")
    app = _press(app, "Turn on")
    assert "does not fit" in app.error[0].value and _user(house, house.owner).totp_secret is None
    now = int(house.core.clock.now().timestamp())
    _field(app, "Code from the app").set_value(pyotp.TOTP(secret).at(now))
    app = _press(app, "Turn on")
    shown = next(block.value for block in app.code).split()
    assert len(shown) == second_factor.codes_left(house.core, acting(house.core, house.owner)) == 10
    app = _press(app, "I have saved them")
    assert shown[0] not in everything(app) and not app.code
    _field(app, "Password").set_value(PASSWORD)
    app = _press(app, "Turn off")
    assert _user(house, house.owner).totp_secret is None


def test_sessions_are_shown_and_ended(house: House, show: Show) -> None:
    other = house.sign_in()
    house.sign_in()
    app = show("settings")
    assert "Since" in everything(app) and app.get("html")
    app = _press(app, "Sign out everywhere else")
    assert users.session_user(house.core, other) is None
    assert [one.current for one in signins.listing(house.core, acting(house.core, house.owner), house.token)] == [True]


def test_a_token_is_shown_once_and_removed(house: House, show: Show) -> None:
    house.sign_in()
    app = show("settings")
    assert "No tokens yet." in [info.value for info in app.info]
    next(f for f in app.text_input if f.placeholder == "nightly report").set_value("nightly <b>")
    app.multiselect[0].set_value(["posts:read"])
    app = _press(app, "Create token")
    secret = next(block.value for block in app.code)
    (token,) = api_tokens.listing(house.core, acting(house.core, house.owner))
    assert secret.startswith("pp_") and token.name == "nightly <b>" and "nightly &lt;b&gt;" in everything(app)
    app = _press(app, "I have copied it")
    assert secret not in everything(app)
    app = _press(app, "Revoke")
    assert api_tokens.listing(house.core, acting(house.core, house.owner)) == []


def test_only_the_owner_sees_people_and_changes_retention(house: House, show: Show) -> None:
    invited, _ = people.invite(
        house.core, acting(house.core, _user(house, house.owner)), email="v@example.org", name="V", role="viewer"
    )
    house.sign_in(invited.id)
    app = show("settings")
    assert "People" not in [tab.label for tab in app.tabs]
    assert all(field.disabled for field in app.number_input if field.form_id == "retention")


def test_an_owner_sets_how_long_things_are_kept(house: House, show: Show) -> None:
    house.sign_in()
    app = show("settings")
    next(f for f in app.number_input if f.form_id == "retention").set_value(30)
    next(b for b in app.button if b.label == "Save" and b.form_id == "retention").click()
    app.run()
    assert retention.get(house.core).evidence == 30


def test_the_first_owner_sees_sizes_and_a_forecast_when_they_ask(house: House, show: Show) -> None:
    house.sign_in()
    app = show("settings")
    assert "in a year" not in everything(app)
    app = next(one for one in app.toggle if one.key == "growth").set_value(True).run()
    assert not app.exception and "in a year at the rate of the last 30 days" in everything(app)
    assert "users" in list(app.dataframe[0].value["Part"])
    invited, _ = people.invite(
        house.core, acting(house.core, _user(house, house.owner)), email="v@example.org", name="V", role="viewer"
    )
    house.sign_in(invited.id)
    assert not [one for one in show("settings").toggle if one.key == "growth"]


def test_an_owner_invites_changes_and_shuts_out(house: House, show: Show) -> None:
    house.sign_in()
    app = show("settings")
    next(f for f in app.text_input if f.key == "invite-email").set_value("new@example.org")
    app = _press(app, "Invite")
    assert "reset=" in next(block.value for block in app.code)
    member = people.listing(house.core, acting(house.core, _user(house, house.owner)))[1]
    assert (member.email, member.role) == ("new@example.org", "editor")
    _press(app, "Done")
    app = _press(app, "Make viewer")
    assert _user(house, member.id).role == "viewer"
    app = _press(app, "Deactivate")
    assert not _user(house, member.id).is_active and "Deactivate" in everything(app)
    app = _press(app, "Reactivate")
    assert _user(house, member.id).is_active


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140 Safari/537.36 Edg/140", "Edge on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit Version/19 Safari/604",
            "Safari on iPhone",
        ),
        ("", ""),
    ],
)
def test_a_browser_is_named_as_people_know_it(device: str, name: str) -> None:
    assert browser_name(device) == name


def test_the_picture_of_a_qr_code_is_read_by_a_decoder() -> None:
    uri = "otpauth://totp/PostProber:owner%40example.org?secret=J7456GAH6NHO2L35RE7OS3US4T2AJTMO&issuer=PostProber"
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(qr_code(uri))))
    assert found.text == uri


def test_an_owner_reads_the_notice_and_turns_the_model_on(
    house: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = house.core
    settings = core.settings.model_copy(update={"ai_base_url": "http://127.0.0.1:9/v1", "ai_model": "m1"})
    advisor = build_advisor(settings, core.db, core.http, core.clock)
    monkeypatch.setitem(core.__dict__, "advisor", advisor)  # it is frozen
    house.sign_in()
    app = show("settings")
    told = everything(app).replace("\\", "")
    for words in ("Model: m1", "127.0.0.1", "the texts of posts", "names of files", "left today", "Renews"):
        assert words in told, words
    assert OFF in told
    box = next(one for one in app.checkbox if one.label == "Let the model read the posts of this space")
    assert box.value is False
    box.check()
    save = [one for one in app.button if one.label == "Save" and "model-use" in (one.form_id or "")]
    app = save[0].click().run()
    assert not app.exception and app.toast[0].value.replace("\\", "") == "Saved."
    found = model_use.get(core, acting(core, house.owner))
    assert found is not None and found.on and not found.pictures
    app = show("settings")
    assert "Last changed by" in everything(app) and OFF not in everything(app).replace("\\", "")
    assert "the model m1 at" in everything(app)
