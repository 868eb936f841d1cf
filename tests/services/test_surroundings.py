"""What the doctor finds around an installation: each fault told in a sentence with its cure, and silence where nothing is wrong."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from postprober import places
from postprober.clock import SystemClock
from postprober.services.operations import surroundings
from postprober.services.operations.check_result import CheckResult
from postprober.storage import accounts as account_storage
from postprober.storage.database import Database
from tests.installed import Installation
from tests.receivers import PostOffice

Found = Callable[..., dict[str, CheckResult]]


@pytest.fixture
def found(installation: Installation) -> Found:
    """What is found after these settings are changed, by name."""

    def look(**changed: object) -> dict[str, CheckResult]:
        core = replace(installation.core, settings=installation.core.settings.model_copy(update=changed))
        return {one.name: one for one in surroundings.look(core)}

    return look


@pytest.fixture
def web() -> Iterator[http.server.ThreadingHTTPServer]:
    """Answers /healthz, and nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in ("/healthz", "/_stcore/health") else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_secrets_that_everybody_can_read_are_named_with_the_command(installation: Installation, found: Found) -> None:
    folder = installation.core.settings.data_dir
    folder.chmod(0o755)
    secret = folder / "secrets.json"
    secret.touch()
    secret.chmod(0o600)
    for other in folder.glob("*.sqlite"):
        other.chmod(0o600)
    assert found()["permissions"].ok
    secret.chmod(0o644)
    told = found()["permissions"]
    assert not told.ok and "secrets.json" in told.message and f"chmod -R o= {folder}" in told.message
    folder.chmod(0o700)
    assert found()["permissions"].ok, "nobody else gets into the folder"


def test_the_app_is_asked_at_its_own_address(found: Found, web: http.server.ThreadingHTTPServer) -> None:
    port = web.server_address[1]
    assert found(app_port=port)["app"].message.endswith("answers 200")
    web.shutdown()
    web.server_close()
    told = found(app_port=port)["app"]
    assert told.ok and "does not answer" in told.message and places.start_command("app") in told.message


def test_an_app_on_another_host_than_the_sidecar_lets_nobody_sign_in(found: Found) -> None:
    assert "sign-in" not in found()
    told = found(app_url="https://localhost:8443")["sign-in"]
    assert not told.ok and "https://localhost:8443" in told.message and "POSTPROBER_PUBLIC_URL" in told.message
    assert "sign-in" not in found(app_url="https://localhost:8443", public_url="https://localhost:8443")


def test_a_public_address_that_leads_elsewhere_is_a_fault(found: Found, web: http.server.ThreadingHTTPServer) -> None:
    assert "public address" not in found()
    url = f"http://127.0.0.1:{web.server_address[1]}"
    assert found(public_url=url)["public address"].ok
    told = found(public_url=f"{url}/elsewhere")["public address"]
    assert not told.ok and "answers 404 instead of the sidecar" in told.message
    web.shutdown()
    web.server_close()
    told = found(public_url=url)["public address"]
    assert not told.ok and "cannot be reached from here" in told.message and "POSTPROBER_PUBLIC_URL" in told.message


def test_the_mail_server_is_greeted_and_gets_no_mail(found: Found) -> None:
    assert "mail" not in found()
    with closing(PostOffice()) as office:
        settings = {
            "smtp_host": "127.0.0.1",
            "smtp_port": office.port,
            "smtp_security": "none",
            "smtp_from": "us@example.org",
        }
        assert found(**settings)["mail"].ok and not office.emails
        told = found(**settings | {"smtp_security": "starttls"})["mail"]
        assert not told.ok and "does not let us in" in told.message and "POSTPROBER_SMTP_" in told.message


def test_accounts_that_cannot_publish_or_soon_cannot_are_named(installation: Installation, found: Found) -> None:
    assert "accounts" not in found()
    account = installation.link("mastodon")
    core = installation.core
    assert found()["accounts"].ok
    soon = core.clock.now() + timedelta(days=3)
    with core.db.write() as conn:
        account_storage.write(conn, account.id, token_expires_at=soon, refresh_token=None)
    told = found()["accounts"]
    assert not told.ok and account.account_name in told.message and "within 7 days" in told.message
    with core.db.write() as conn:
        account_storage.write(conn, account.id, token_expires_at=None, status="reconnect")
    told = found()["accounts"]
    assert not told.ok and "link them again" in told.message and "Mastodon" in told.message


def test_which_platforms_lack_a_client_is_told_and_no_fault(found: Found) -> None:
    assert "clients" not in found()
    told = found(mode="live")["clients"]
    assert told.ok and "POSTPROBER_X_CLIENT_ID" in told.message and "POSTPROBER_MASTODON" not in told.message


class Ahead(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(minutes=5)


def test_the_database_servers_version_and_clock(
    installation: Installation, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = replace(installation.core, db=database, clock=SystemClock())
    found = list(surroundings._database_server(core))
    if database.is_sqlite:
        assert not found
        return
    assert found[0].ok and "version" in found[0].message
    (told,) = surroundings._database_server(replace(core, clock=Ahead()))
    assert not told.ok and "behind ours" in told.message and "NTP" in told.message
    monkeypatch.setattr(surroundings, "OLDEST_POSTGRES", 99)
    (told,) = surroundings._database_server(core)
    assert not told.ok and "update to 99 or newer" in told.message


@pytest.mark.parametrize(
    ("marks", "wanted"),
    [
        ({}, "make up"),
        ({"systemd": True}, "systemctl start postprober-api"),
        ({"container": True}, "docker compose up --detach sidecar"),
        ({"kubernetes": True, "container": True}, "kubectl rollout restart deployment/postprober-sidecar"),
    ],
)
def test_the_cure_is_for_the_way_it_was_installed(
    marks: dict[str, bool], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(places, "_UNITS", tmp_path)
    monkeypatch.setattr(places, "home", lambda: tmp_path)
    if marks.get("kubernetes"):
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    if marks.get("container"):
        (tmp_path / ".image").touch()
    if marks.get("systemd"):
        (tmp_path / "postprober-scheduler.service").touch()
    assert places.start_command("sidecar") == wanted
