"""Secrets planted in an installation, which lives through everything; then every place is searched for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from tests.attack import deeds, hunt, life
from tests.attack.hunt import Find, Hunter

PAGES = ("", "monitor", "calendar", "accounts", "compose", "alerts", "analytics", "settings")
# Secrets that come up only when something happens; a run without them would have searched for too little.
MUST_BE_USED = {
    "a link that was mailed",
    "a token of x that was in use",
    "the app password of bluesky",
    "a recovery code",
    "the signing secret of a webhook",
    "a token given to the command line",
}
# Where a secret may be: how its name begins, what its place contains, and why.
ALLOWED: tuple[tuple[str, str, str], ...] = (
    ("POSTPROBER_", "the environ of node", "Playwright's driver is started by its library with all of our environment"),
    ("the vault key", "the environ of node", "the same; it loads no page, Chromium does, and that is told nothing"),
)


def planted() -> list[str]:
    """What was found, as lines for a person; the control is part of it."""
    with life.living() as made:
        life.start(made)
        deeds.people_come(made)
        ids = deeds.accounts_are_linked(made)
        deeds.channels_are_added(made)
        deeds.posts_go_out(made, ids)
        deeds.reports_are_made(made)
        asked = deeds.everybody_reads_everything(made)
        shown = _pages(made)
        deeds.remember(made)
        found = _search(made, shown)
        wrong = [f"{find.secret} is in {find.place} ({find.how})" for find in sorted(found) if not _allowed(find)]
        wrong += [
            f"control: {name} was never used, so it was not searched for" for name in MUST_BE_USED - made.hunter.names
        ]
        wrong += _control(made.hunter)
        print(
            f"secrets: {len(made.hunter.names)} kinds, {len(made.hunter.needles)} forms; {asked} requests, "
            f"{len(made.replies)} replies, {len(shown)} pages, {made.hunter.looked / 1e6:.0f} MB searched"
        )
    return wrong


def _search(made: life.Life, shown: dict[str, bytes]) -> set[Find]:
    hunter = made.hunter
    running = _processes({os.getpid()} | {child.pid for child in made.made.children.values()})
    for name in list(made.made.children):
        made.made.kill(name)
    found = hunter.look_at_files(made.made.folder)
    for place, data in (*made.replies.items(), *shown.items(), *running):
        found |= hunter.look(data, place)
    return found


def _processes(ours: set[int]) -> list[tuple[str, bytes]]:
    """The command lines of our processes and of all that they started, and the environments of what they started: ours
    have the settings in theirs, because that is how they were given."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
    family = set(ours)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    read: list[tuple[str, bytes]] = []
    for pid in sorted(family):
        for what in ("cmdline", "environ") if pid not in ours else ("cmdline",):
            try:
                data = Path(f"/proc/{pid}/{what}").read_bytes()
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            read.append((f"the {what} of {name}", data.replace(b"\0", b"\n")))
    return read


def _pages(made: life.Life) -> dict[str, bytes]:
    """What a browser gets of every page: its text, its HTML and every WebSocket message."""
    import shutil

    from playwright.sync_api import sync_playwright

    from tests.e2e.conftest import BROWSERS, FLAGS

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        raise RuntimeError("there is no Chromium on this machine to look at the pages with")
    url = f"http://127.0.0.1:{made.made.env['POSTPROBER_APP_PORT']}"
    shown: dict[str, bytes] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for name in PAGES:
            frames: list[bytes] = []

            def heard(payload: str | bytes, frames: list[bytes] = frames) -> None:
                frames.append(payload if isinstance(payload, bytes) else payload.encode())

            def opened(socket: Any) -> None:
                socket.on("framereceived", heard)

            context = browser.new_context()
            context.add_cookies([{"name": "postprober_session", "value": made.cookie, "url": url}])
            page = context.new_page()
            page.on("websocket", opened)
            page.goto(f"{url}/{name}")
            page.get_by_role("heading", name=(name or "overview").title(), exact=True).first.wait_for(timeout=60_000)
            page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=60_000)
            shown[f"the page {name or 'overview'}"] = page.content().encode() + b"\n" + b"\n".join(frames)
            if not frames:
                raise RuntimeError(f"the page {name} got nothing over its WebSocket; it was not seen")
            context.close()
        browser.close()
    return shown


def _allowed(find: Find) -> bool:
    return any(find.secret.startswith(secret) and place in find.place for secret, place, _ in ALLOWED)


def _control(hunter: Hunter) -> list[str]:
    """Each planted secret is put into one log line, one column, one gzip and others: all must be found."""
    missed = []
    with tempfile.TemporaryDirectory() as name:
        for number, (needle, (secret, how)) in enumerate(list(hunter.needles.items())):
            if how != "plain" or b"\0" in needle or not needle.isascii():
                continue
            folder = Path(name) / str(number)
            folder.mkdir()
            places = hunt.spoil(folder, needle.decode())
            seen = {
                find.place.split(" ")[0].split(":")[0] for find in hunter.look_at_files(folder) if find.secret == secret
            }
            missed += [
                f"control: {secret} in {what} is not found" for what, path in places.items() if path.name not in seen
            ]
            if number > 400:
                break
    return missed
