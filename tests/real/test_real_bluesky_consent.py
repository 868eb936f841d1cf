"""Consent on a real PDS: pushed request, a person's clicks in a browser, bound tokens, publishing, renewal, withdrawal."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import sync_playwright

from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import PlatformConfig
from postprober.domain.remote import PartJob
from postprober.errors import BadInput, ReconnectNeeded
from postprober.http import HttpClient
from postprober.platforms.bluesky import oauth
from postprober.platforms.bluesky.adapter import BlueskyAdapter
from postprober.platforms.common import bound_oauth
from postprober.platforms.common.oauth import at_instance, check_callback, new_state

PLC = os.environ.get("POSTPROBER_REAL_PLC", "http://127.0.0.1:2582")
CHROMIUM = os.environ.get("POSTPROBER_CHROMIUM_PATH", "/usr/bin/chromium")


def as_it_is(address: str) -> str:
    return address.rstrip("/")


@dataclass
class Door:
    """Where the server sends the browser back to; keeps the last address that was asked."""

    port: int
    asked: list[str]


@pytest.fixture
def door() -> Iterator[Door]:
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/callback/" in self.path:
                asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"back")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Door(server.server_address[1], asked)
    server.shutdown()
    server.server_close()
    thread.join()


def consent_in_a_browser(url: str, password: str, door: Door) -> dict[str, str]:
    """What the person does; the handle stands there already."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(url)
        page.locator('input[type="password"]').fill(password)
        page.locator('button[type="submit"]').click()
        page.get_by_role("button", name="Authorize").or_(page.get_by_role("button", name="Accept")).click()
        page.wait_for_url("**/callback/**")
        browser.close()
    return {key: values[0] for key, values in parse_qs(urlsplit(door.asked[-1]).query).items()}


def test_a_person_links_their_account_by_consent_and_it_publishes(
    real_http: HttpClient, pds: str, bluesky_config: PlatformConfig, door: Door
) -> None:
    handle, password = f"u{uuid.uuid4().hex[:10]}.test", f"pw-{uuid.uuid4()}"
    body = {"handle": handle, "email": f"{handle}@example.com", "password": password}
    made = real_http.send("POST", f"{pds}/xrpc/com.atproto.server.createAccount", json=body).json()
    clock = SystemClock()
    config = replace(bluesky_config, settings={"plc_url": PLC})
    found = oauth.find(real_http, config, handle, as_it_is)
    assert found.remote_id == made["did"] and found.hint == handle
    callback = f"http://127.0.0.1:{door.port}/oauth/bluesky/callback/0123456789abcdef"
    client = at_instance(config, found.address, oauth.register(real_http, found.address, callback))
    spec, state = oauth.ask(real_http, client), new_state()
    request = bound_oauth.start(real_http, client, callback, state, spec, clock, hint=handle)
    code = check_callback(spec, consent_in_a_browser(request.url, password, door), state)
    cred = bound_oauth.exchange(
        real_http, client, callback, code, request.code_verifier, request.key, spec=spec, clock=clock
    )
    cred = oauth.home(real_http, config, cred, as_it_is)
    assert cred.remote_id == made["did"] and "transition:generic" in cred.scopes
    _publishes(real_http, config, cred)
    _ends(real_http, config, cred)


def _publishes(http: HttpClient, config: PlatformConfig, cred: Credentials) -> None:
    gates: list[str] = []
    adapter = BlueskyAdapter(http.bound(gate=lambda: gates.append("sent")), config)
    assert adapter.identify(cred).remote_id == cred.remote_id
    key, now = str(uuid.uuid4()), datetime.now(UTC)
    job = PartJob(key, 0, "Linked without a password", now, handle=adapter.new_handle(key, 0, now))
    receipt = adapter.finalize(cred, job, adapter.submit(cred, job))
    again = adapter.finalize(cred, job, adapter.submit(cred, job))  # a repeat changes nothing
    assert again.ref.remote_id == receipt.ref.remote_id and gates == ["sent", "sent"]
    found = adapter.fetch(cred, receipt.ref.remote_id)
    assert found is not None and found.text == job.text
    adapter.delete(cred, receipt.ref.remote_id)
    assert adapter.fetch(cred, receipt.ref.remote_id) is None


def _ends(http: HttpClient, config: PlatformConfig, cred: Credentials) -> None:
    """Renewed once; the account's document decides; withdrawn tokens open nothing."""
    adapter = BlueskyAdapter(http, config)
    with pytest.raises(BadInput, match="another server"):
        oauth.home(http, config, replace(cred, secret={**cred.secret, "issuer": "https://evil.example"}), as_it_is)
    fresh = adapter.refresh(cred)
    assert fresh.refresh_token != cred.refresh_token and adapter.identify(fresh).remote_id == cred.remote_id
    assert adapter.revoke(fresh)
    with pytest.raises(ReconnectNeeded):
        adapter.refresh(fresh)
