"""A file in the uploader is taken once, and Streamlit's own copy of it goes as soon as ours is stored."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace

import pytest
import streamlit as st
from PIL import Image
from sqlalchemy import func, select
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.services.posts import drafts
from postprober.storage import tables
from postprober.ui import door, uploads
from postprober.ui.components.compose.draft import ComposerDraft
from tests.pages.conftest import ROOT, House
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.account(Platform("x"))
    return house


def _picture(colour: str = "#336699") -> bytes:
    out = BytesIO()
    Image.new("RGB", (600, 600), colour).save(out, "PNG")
    return out.getvalue()


def _rows(house: House) -> int:
    with house.core.db.read() as conn:
        return int(conn.execute(select(func.count()).select_from(tables.media)).scalar_one())


class _Upload(BytesIO):
    """What Streamlit hands over."""

    def __init__(self, name: str, content: bytes, file_id: str) -> None:
        super().__init__(content)
        self.name, self.file_id = name, file_id


def test_a_run_that_is_stopped_in_the_middle_does_not_take_the_file_again(owner: House) -> None:
    draft, file = ComposerDraft(user_id=owner.owner), _Upload("blue.png", _picture(), "file-1")
    for _run in range(3):
        draft.take(owner.core, acting(owner.core, owner.owner), file)
    assert len(draft.kept) == 1 and _rows(owner) == 1
    draft.take(
        owner.core, acting(owner.core, owner.owner), _Upload("blue.png", _picture(), "file-2")
    )  # chosen anew by the person
    assert len(draft.kept) == 2


def test_a_run_stopped_while_files_are_stored_goes_on_where_it_was(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = show("compose")
    stopped: list[str] = []
    take = ComposerDraft.take

    def once(self: ComposerDraft, core: object, user_id: int, file: object) -> None:
        take(self, core, user_id, file)  # type: ignore[arg-type]
        if not stopped:
            stopped.append("here")
            st.stop()

    monkeypatch.setattr(ComposerDraft, "take", once)
    app.file_uploader[0].upload("blue.png", _picture(), "image/png").run()
    assert stopped and not app.exception
    app.run()
    app.run()
    assert _rows(owner) == 1
    (draft,) = drafts.listing(owner.core, acting(owner.core, owner.owner))
    assert len(drafts.wish_of(draft).media_ids) == 1


def test_a_file_that_was_removed_can_be_added_again_and_a_return_adds_nothing(owner: House, show: Show) -> None:
    app = show("compose")
    app.file_uploader[0].upload("blue.png", _picture(), "image/png").run()
    app.switch_page(str(ROOT / "pages" / "calendar.py")).run()
    app.switch_page(str(ROOT / "pages" / "compose.py")).run()
    assert len([b for b in app.button if b.label == "Remove"]) == 1 and _rows(owner) == 1
    next(b for b in app.button if b.label == "Remove").click().run()
    assert not [b for b in app.button if b.label == "Remove"]
    app.file_uploader[0].upload("blue.png", _picture(), "image/png").run()
    assert len([b for b in app.button if b.label == "Remove"]) == 1


def test_a_file_that_is_refused_is_refused_once_and_freed(owner: House, show: Show) -> None:
    app = show("compose")
    app.file_uploader[0].upload("fake.png", b"no picture", "image/png").run()
    app.run()
    assert len([e for e in app.error if "fake" in e.value]) == 1


def test_streamlits_copy_goes_when_ours_is_stored(owner: House, show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[str] = []
    monkeypatch.setattr(uploads, "free", lambda file: freed.append(file.name))
    app = show("compose")
    app.file_uploader[0].upload("blue.png", _picture(), "image/png").run()
    assert freed == ["blue.png"]
    app.file_uploader[0].upload("fake.png", b"no picture", "image/png").run()
    assert freed == ["blue.png", "fake.png"], "a refused file is no use either"


def test_what_was_freed_no_longer_counts_against_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    files = MemoryUploadedFileManager("/upload")
    for file_id in ("one", "two"):
        files.add_file("session", UploadedFileRec(file_id, "blue.png", "image/png", b"x" * 1000))
    runtime = SimpleNamespace(instance=lambda: SimpleNamespace(uploaded_file_mgr=files))
    for module in (uploads, door):
        monkeypatch.setattr(module, "exists", lambda: True)
        monkeypatch.setattr(module, "Runtime", runtime)
    monkeypatch.setattr(uploads, "get_script_run_ctx", lambda **_: SimpleNamespace(session_id="session"))
    assert door.held()["session"] == 2000
    (record,) = files.get_files("session", ["one"])
    uploads.free(UploadedFile(record, FileURLs()))
    assert door.held()["session"] == 1000
