"""Pages against an installation of their own, in a temporary data folder.

The browser's cookie is the only thing that is not there in AppTest; the tests put a session token in its place.
"""

from __future__ import annotations

import functools
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from sqlalchemy import update
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from postprober.domain.account import Credentials
from postprober.domain.delivery import DeliveryState as S
from postprober.domain.platform import Platform
from postprober.pipeline.core import transitions
from postprober.pipeline.core.tokens import seal
from postprober.services.accounts import account_groups
from postprober.services.core import Core
from postprober.services.people import users
from postprober.storage import accounts, deliveries, posts, processes, tables
from postprober.storage.records import Delivery, PartRecord
from postprober.ui import frame, state, unsent, visitor
from postprober.wiring import build_core, close_core
from tests.people import acting
from tests.profile import SCALED, chosen, servers

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "correct horse battery"


@dataclass
class House:
    """An installation with three people: the owner whose browser it is, a teammate and a stranger."""

    core: Core
    owner: int
    teammate: int
    stranger: int
    token: str | None = None

    def become(self, role: str, user_id: int | None = None) -> None:
        """Give somebody another role."""
        with self.core.db.write() as conn:
            conn.execute(update(tables.users).where(tables.users.c.id == (user_id or self.owner)).values(role=role))

    def sign_in(self, user_id: int | None = None) -> str:
        """A live session in the browser."""
        with self.core.db.read() as conn:
            user = users.users.get(conn, user_id or self.owner)
        self.token = users.redeem_ticket(self.core, users.issue_ticket(self.core, user))
        return self.token

    def account(self, platform: Platform, user_id: int | None = None, name: str = "demo") -> int:
        """A linked account; its token is never used."""
        now = self.core.clock.now()
        instance = "http://127.0.0.1:1" if platform in (Platform("mastodon"), Platform("bluesky")) else ""
        with self.core.db.write() as conn:
            new = accounts.add(
                conn,
                space=user_id or self.owner,
                platform=platform.value,
                account_name=name,
                now=now,
                instance=instance,
                remote_id=f"id-{name}-{platform.value}",
                newest_known_post=None,
            )
            cred = Credentials(access_token="POISON-access", refresh_token="POISON-refresh", instance=instance)
            accounts.write(conn, new, **seal(self.core.vault, new, cred), is_active=True, status="ok")
        return new

    def chose(self, *account_ids: int) -> None:
        """The owner's last post was for these accounts, so the composer begins with them."""
        account_groups.remember(self.core, acting(self.core, self.owner), account_ids)

    def post(self, text: str, account_id: int, user_id: int | None = None) -> Delivery:
        """A scheduled post with one delivery."""
        now, owner = self.core.clock.now(), user_id or self.owner
        with self.core.db.write() as conn:
            account = accounts.get(conn, account_id)
            post_id = posts.add(
                conn,
                space=owner,
                content=text,
                platforms=[account.platform.value],
                status="scheduled",
                scheduled_at=now,
                options={"parts": [text], "media": []},
                now=now,
            )
            new = deliveries.add(
                conn,
                post_id=post_id,
                account_id=account_id,
                space=owner,
                platform=account.platform.value,
                key=f"key-{post_id}",
                due_at=now,
                parts=[PartRecord(0, text)],
                now=now,
            )
            return deliveries.get(conn, new)

    def move(self, delivery: Delivery, *states: S, reason: str = "because", **columns: Any) -> Delivery:
        """Through these states, as the pipeline would; `columns` go with the last one."""
        for state_ in states:
            extra = columns if state_ is states[-1] else {}
            with self.core.db.write() as conn:
                now = self.core.clock.now()
                delivery = transitions.move(conn, delivery, state_, reason=reason, now=now, **extra)
        return delivery

    def beat(self) -> None:
        """The scheduler says that it lives."""
        now = self.core.clock.now()
        with self.core.db.write() as conn:
            processes.beat(conn, "test", "scheduler", datetime(2026, 1, 1, tzinfo=UTC), now, {})


@pytest.fixture(scope="session", autouse=True)
def _components_looked_for_once() -> Iterator[None]:
    """Streamlit reads the metadata of every installed package when it starts, and each AppTest starts it anew: half of the
    time of these tests."""
    found = functools.cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, profiled: None) -> tuple[Path, list[int], str]:
    """A migrated data folder with three people, made once: migrations and password hashes take most of a second; on the
    scaled profile the name of a database with them, too."""
    folder = tmp_path_factory.mktemp("template") / "data"
    core = build_core(data_dir=folder, sandbox_port=1, _env_file=None, **chosen())
    ids = [
        users.create(core, email=f"{who}@example.org", password=PASSWORD, name=who.title(), zone="Europe/Berlin")
        for who in ("owner", "teammate", "stranger")
    ]
    core.db.checkpoint_wal()
    close_core(core)
    return folder, ids, servers.keep() if SCALED else ""


@pytest.fixture
def house(tmp_path: Path, template: tuple[Path, list[int], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    folder, ids, name = template
    shutil.copytree(folder, tmp_path / "data")
    for setting, value in chosen(name).items():
        monkeypatch.setenv(f"POSTPROBER_{setting.upper()}", value)
    monkeypatch.setenv("POSTPROBER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("POSTPROBER_SANDBOX_PORT", "1")  # nothing listens there
    monkeypatch.chdir(tmp_path)  # no .env of the person who runs the tests
    st.cache_resource.clear()
    monkeypatch.setattr(unsent, "_forms", OrderedDict())  # of the test before, whose ids are the same
    built = House(state.core(), *ids)
    monkeypatch.setattr(state, "session_token", lambda: built.token)
    monkeypatch.setattr(visitor, "device", lambda: "Test browser")  # AppTest has none
    monkeypatch.setattr(visitor, "address", lambda core: "198.51.100.7")
    yield built
    core = state.core()
    st.cache_resource.clear()
    close_core(core)


@pytest.fixture
def show(house: House, tmp_path: Path) -> Callable[[str], AppTest]:
    """Open a page by its name, as a browser would: through app.py.

    A copy of app.py, away from the `pages` folder: AppTest starts every run as on a fresh server, and there the folder
    would make Streamlit change the page's identity from run to run and lose the clicks.
    """
    main = tmp_path / "app.py"
    shutil.copy(ROOT / "app.py", main)

    def open_page(name: str) -> AppTest:
        app = AppTest.from_file(str(main), default_timeout=60).run()
        if name != frame.HOME:
            app.switch_page(str(ROOT / "pages" / f"{name}.py")).run()
        assert not app.exception, app.exception
        assert not [error.value for error in app.error if "went wrong on this page" in error.value], "the page broke"
        return app

    return open_page


def everything(app: AppTest) -> str:
    """All that the page says, as one text: HTML bodies, Markdown, messages, labels."""
    words = [body for element in app.get("html") if not (body := element.proto.body).startswith("<style>")]
    for kind in ("markdown", "caption", "title", "subheader", "error", "warning", "info", "success", "text", "code"):
        words += [str(element.value) for element in app.get(kind)]
    words += [element.label for element in app.button] + [element.label for element in app.get("expander")]
    return "\n".join(words)
