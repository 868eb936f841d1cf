"""The composer says that a video is converted, starts it, and shows how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.services.media import conversions as conversion_service
from postprober.storage import conversions
from postprober.storage.conversions import ConversionRecord
from postprober.ui.words import plain
from tests.pages.conftest import House, everything
from tests.pages.giving import give
from tests.people import acting
from tests.platforms.video_kit import make

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


def row(owner: House) -> ConversionRecord:
    (found,) = conversion_service.of(owner.core, acting(owner.core, owner.owner), 1)
    return found


def progress(app: AppTest) -> list[str]:
    return [one.proto.text for one in app.get("progress")]


def test_a_video_is_converted_from_the_moment_that_it_is_attached(owner: House, show: Show, tmp_path: Path) -> None:
    owner.account(Platform("x"))
    app = show("compose")
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    app = give(owner, app, "a.webm", source.read_bytes())
    assert "The file is converted before it is sent: X takes MP4 or MOV and this is WebM" in everything(app)
    assert row(owner).state == "waiting"
    app = app.run()
    assert progress(app) == ["Converting the video … 0%"]
    now = owner.core.clock.now()
    with owner.core.db.write() as conn:
        assert conversions.claim(conn, row(owner), now)
    with owner.core.db.write() as conn:
        assert conversions.tell(conn, row(owner), 0.5, now)
    app = app.run()
    assert progress(app) == ["Converting the video … 50%"]
    with owner.core.db.write() as conn:
        assert conversions.finish(conn, row(owner), {"path": "p", "size": 1})
    app = app.run()
    assert progress(app) == [] and "Converted. Ready to be sent." in everything(app)


def test_a_conversion_that_failed_is_said_below_the_file_and_in_the_checks(
    owner: House, show: Show, tmp_path: Path
) -> None:
    owner.account(Platform("x"))
    app = show("compose")
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    app = give(owner, app, "a.webm", source.read_bytes())
    with owner.core.db.write() as conn:
        assert conversions.fail(conn, row(owner), "Too much of the video is damaged; export it again.")
    app.text_area[0].set_value("Now with words")
    app = app.run()
    assert plain("Not converted: Too much of the video is damaged; export it again.") in everything(app)
    assert "<li>Too much of the video is damaged; export it again.</li>" in everything(app)
    assert "Needs a change" in everything(app)
    assert next(b for b in app.button if b.label == "Publish now").disabled
