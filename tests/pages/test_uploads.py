"""A file that arrived is put into its draft once; Streamlit's own copy of what its fields hold goes when it was read."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import func, select
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.errors import Unavailable
from postprober.services.media import media, resumable
from postprober.services.people import sessions
from postprober.services.posts import drafts
from postprober.storage import tables
from postprober.ui import door, uploads
from postprober.ui.components.compose.draft import MAX_FILES, ComposerDraft
from tests.pages.conftest import ROOT, House
from tests.pages.giving import give, handed_out
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


def _removes(app: AppTest) -> list[Any]:
    return [b for b in app.button if b.label == "Remove"]


def test_a_file_is_in_its_draft_from_the_run_after_it_arrived_and_only_once(owner: House, show: Show) -> None:
    app = show("compose")
    app = give(owner, app, "blue.png", _picture())
    for _run in range(2):
        app = app.run()
    assert _rows(owner) == 1 and len(_removes(app)) == 1
    (draft,) = drafts.listing(owner.core, acting(owner.core, owner.owner))
    assert len(drafts.wish_of(draft).media_ids) == 1
    app = give(owner, app, "blue.png", _picture())  # chosen anew by the person
    assert len(_removes(app)) == 2


def test_killed_after_the_draft_was_stored_the_file_is_not_there_twice(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = show("compose")
    with monkeypatch.context() as patch:
        patch.setattr(resumable, "taken", lambda *_: None)
        give(owner, app, "blue.png", _picture())
    (draft,) = drafts.listing(owner.core, acting(owner.core, owner.owner))
    again = ComposerDraft.of(draft, owner.owner)
    again.attach(owner.core, acting(owner.core, owner.owner))
    assert len(again.kept) == 1 and resumable.arrived(owner.core, acting(owner.core, owner.owner), {again.key}) == []


def test_a_draft_that_could_not_be_stored_gets_the_file_the_next_time(
    owner: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor, draft = acting(owner.core, owner.owner), ComposerDraft(user_id=owner.owner)
    _arrive(owner, draft.key)
    with monkeypatch.context() as patch:

        def broken(*_: object, **__: object) -> bool:
            raise Unavailable("The database does not answer.")

        patch.setattr(ComposerDraft, "save", broken)
        with pytest.raises(Unavailable):
            draft.attach(owner.core, actor)
    assert resumable.arrived(owner.core, actor, {draft.key}), "another page would find it"
    draft.attach(owner.core, actor)
    assert len(draft.kept) == 1 and resumable.arrived(owner.core, actor, {draft.key}) == []


def _arrive(house: House, draft: str) -> None:
    actor = acting(house.core, house.owner)
    content = _picture()
    secret, upload = resumable.begin(house.core, actor, "blue.png", len(content), draft=draft)
    caller, _ = resumable.find(house.core, secret)
    with resumable.piece(house.core, secret, upload, 0) as piece:
        piece.write(content)
        resumable.finish(house.core, caller, upload, piece)


def test_a_post_has_no_more_files_than_it_may(owner: House) -> None:
    actor, draft = acting(owner.core, owner.owner), ComposerDraft(user_id=owner.owner)
    _arrive(owner, draft.key)
    draft.attach(owner.core, actor)
    draft.kept = draft.kept * MAX_FILES
    _arrive(owner, draft.key)
    draft.attach(owner.core, actor)
    assert len(draft.kept) == MAX_FILES and "at most 20 files" in draft.refused[0]


def test_a_file_that_was_removed_can_be_added_again_and_a_return_adds_nothing(owner: House, show: Show) -> None:
    app = show("compose")
    app = give(owner, app, "blue.png", _picture())
    app.switch_page(str(ROOT / "pages" / "calendar.py")).run()
    app.switch_page(str(ROOT / "pages" / "compose.py")).run()
    assert len(_removes(app)) == 1 and _rows(owner) == 1
    _removes(app)[0].click().run()
    assert not _removes(app)
    app = give(owner, app, "blue.png", _picture())
    assert len(_removes(app)) == 1


def test_the_page_hands_out_what_allows_uploads_for_this_draft_only(owner: House, show: Show) -> None:
    told = handed_out(show("compose"))
    assert told["address"] == owner.core.settings.browser_base and told["may"] is True
    assert told["most"] == media.largest(owner.core, owner.owner) > 500_000_000
    caller, draft = sessions.by_grant(owner.core, told["grant"]) or (None, "")
    assert caller is not None and caller.user.id == owner.owner and draft == told["draft"]
    assert caller.scopes == {"media:write"} and owner.token not in str(told)


def test_a_viewer_gets_no_grant(house: House, show: Show) -> None:
    house.account(Platform("x"))
    house.become("viewer")
    house.sign_in()
    told = handed_out(show("compose"))
    assert told["grant"] == "" and told["may"] is False and "viewer" in told["why"]


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
