"""What happens to the installation with the planted secrets: people, accounts, channels, posts, reports, questions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
from sqlalchemy import func, select

from bench.stage import ROOT
from postprober.cli.demo import demo_picture
from postprober.domain.access import GRANTABLE
from postprober.domain.platform import Platform, known
from postprober.pipeline.core.tokens import open_credentials, secrets_of
from postprober.platforms.nostr.codes import secret_in
from postprober.services.accounts.accounts import add_by_token
from postprober.services.media import media
from postprober.services.operations import backup_set
from postprober.services.people import api_tokens, passwords, people, second_factor, users
from postprober.services.people.sessions import Caller
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts as account_storage
from postprober.storage.records import User
from postprober.storage.tables import alerts, deliveries, notifications, repairs
from tests.attack.life import Life, begin, canary, unique, until, user_of
from tests.people import acting


def people_come(life: Life) -> None:
    """An editor, a viewer and a stranger; sign-ins of every kind, a second factor, links by mail, API tokens."""
    core, hunter = life.made.core, life.hunter
    assert core
    people.invite(
        core, acting(core, life.owner), email="editor@example.org", name="editor", role="editor"
    )  # `remember` reads the mail
    people_of = {
        "owner": life.owner,
        "editor": user_of(life.made, hunter, "editor2", "editor", life.owner.id),
        "viewer": user_of(life.made, hunter, "viewer", "viewer", life.owner.id),
        "stranger": user_of(life.made, hunter, "stranger", "owner"),
    }
    hunter.add("a token for the first person", people.setup_token(core))
    passwords_of = {}
    for name, user in people_of.items():
        caller = Caller(user, frozenset(GRANTABLE | {"tokens:write"}), "0", "login")
        life.tokens[f"{name} by API token"] = api_tokens.create(
            core, caller, name="search", scopes=sorted(GRANTABLE), days=1
        )[1]
        hunter.add(f"an API token of the {name}", life.tokens[f"{name} by API token"])
        password = next(
            n.decode() for n, (s, how) in hunter.needles.items() if how == "plain" and s.endswith(f" {user.name}")
        )
        passwords_of[name] = password
        status, content = life.call(
            "", "POST", "/api/auth/login", {"email": user.email, "password": password}, kept=False
        )
        assert status == 200, content
        pair = json.loads(content)
        status, content = life.call(
            "", "POST", "/api/auth/refresh", {"refresh_token": pair["refresh_token"]}, kept=False
        )
        assert status == 200, content
        for one in (pair, json.loads(content)):
            hunter.add(f"an access token of the {name}", one["access_token"].rsplit(".", 1)[1])
            hunter.add(f"a refresh token of the {name}", one["refresh_token"])
            life.tokens[name] = one["access_token"]
        _refused(life, user, password)
    ticket = users.issue_ticket(core, life.owner)
    hunter.add("a one-time ticket", ticket)
    life.cookie = users.redeem_ticket(core, ticket)
    hunter.add("a session cookie", life.cookie)
    enrolment = second_factor.enrol(core, acting(core, people_of["stranger"]))
    hunter.add("the secret of a second factor", enrolment.secret)
    for code in second_factor.enable(
        core,
        acting(core, people_of["stranger"]),
        enrolment.secret,
        pyotp.TOTP(enrolment.secret).now(),
        passwords_of["stranger"],
        "127.0.0.1",
    ):
        hunter.add("a recovery code", code)
    passwords.ask_reset(core, "viewer@example.org", "127.0.0.1")


def _refused(life: Life, user: User, password: str) -> None:
    """Requests that are wrong and hold secrets: nothing of them may come back."""
    life.call("", "POST", "/api/auth/login", {"email": [user.email], "password": password})
    life.call("", "POST", "/api/auth/login", {"email": user.email, "password": {"is": password}})
    life.call("", "POST", "/api/auth/login", {"email": "nobody@example.org", "password": password})
    life.call("", "POST", "/api/auth/refresh", {"refresh_token": password + "x" * 5000})
    life.call("", "POST", "/api/auth/refresh", {"refresh_token": password, "more": password})


def accounts_are_linked(life: Life) -> dict[Platform, int]:
    """One on each platform, with the platforms' own tokens."""
    core, ids = life.made.core, {}
    assert core
    for platform in known():
        made = life.made.control.account(platform.value, f"planted{platform.value}", fresh=True)
        if platform is Platform("bluesky"):
            life.hunter.add("the app password of bluesky", made["password"])
        if platform is Platform("nostr"):  # it is stored in this form
            life.hunter.add("the private key of nostr", unique(secret_in(made["access_token"])))
        data = made["typed"] or {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
        for key in ("access_token", "refresh_token"):
            if made[key]:
                life.hunter.add(f"the {key} of {platform.value}", unique(made[key]))
        ids[platform] = add_by_token(core, acting(core, life.owner.id), platform, data).id
    # The command line reads tokens from stdin, never from its arguments.
    made = life.made.control.account("mastodon", "byhand", fresh=True)
    life.hunter.add("a token given to the command line", made["access_token"])
    done = subprocess.run(
        [sys.executable, "-m", "postprober", "accounts", "add", "--platform", "mastodon", "--user", life.owner.email],
        input=json.dumps({"access_token": made["access_token"]}),
        text=True,
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, **life.made.env},
        timeout=120,
        check=False,
    )
    (life.made.folder / "cli.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr[-2000:]
    return ids


def channels_are_added(life: Life) -> None:
    """A webhook and Apprise addresses with secrets in them; some of them do not answer, which is written down."""
    words = {
        name: canary()
        for name in ("the path of a webhook", "an Apprise password", "a dead Apprise password", "a dead webhook")
    }
    for name, word in words.items():
        life.hunter.add(name, word)
    host = life.receiver.url.removeprefix("http://")
    for kind, url in (
        ("webhook", f"{life.receiver.url}/{words['the path of a webhook']}?key={words['the path of a webhook']}"),
        ("webhook", f"http://127.0.0.1:9/{words['a dead webhook']}"),
        ("apprise", f"ntfy://someone:{words['an Apprise password']}@{host}/in"),
        ("apprise", f"ntfy://someone:{words['a dead Apprise password']}@127.0.0.1:9/in"),
    ):
        status, content = life.call(
            "owner", "POST", "/api/channels", {"kind": kind, "name": "a channel", "url": url}, kept=False
        )
        assert status == 201, content
        if kind == "webhook":
            life.hunter.add("the signing secret of a webhook", json.loads(content)["secret"])
        life.call("owner", "POST", f"/api/channels/{json.loads(content)['id']}/test")


def posts_go_out(life: Life, ids: dict[Platform, int]) -> None:
    """Posts that succeed, fail, are held and repaired; tokens that are renewed, refused and withdrawn; a death."""
    core, control = life.made.core, life.made.control
    assert core
    picture = media.add_bytes(core, acting(core, life.owner.id), "proof.png", demo_picture(), "A tick")
    for platform in known():
        posts.create(
            core,
            acting(core, life.owner.id),
            NewPost((f"All is well on {platform.value}",), (ids[platform],), (picture,)),
        )
    until(life, deliveries.c.state == "verified", 4)
    remember(life)
    for number, (name, fault) in enumerate(
        (
            ("x", "unauthorized"),
            ("mastodon", "html_error"),
            ("bluesky", "cut_after_accept"),
            ("linkedin", "error_before_accept"),
            ("mastodon", "malformed_2xx"),
            ("x", "duplicate"),
            ("instagram", "error_after_accept"),
        )
    ):
        control.fault(name, fault, account=f"planted{name}")
        pictures = (picture,) if name == "instagram" else ()
        posts.create(
            core,
            acting(core, life.owner.id),
            NewPost((f"Number {number} meets {fault}",), (ids[Platform(name)],), pictures),
        )
    for name in ("x", "linkedin"):  # LinkedIn's client secret is a canary that the sandbox refuses
        control.expire(name, f"planted{name}")
        posts.create(core, acting(core, life.owner.id), NewPost((f"{name} must be renewed",), (ids[Platform(name)],)))
    life.made.kill("scheduler")
    begin(life, "scheduler2", "scheduler.py")
    control.revoke("mastodon", "plantedmastodon")
    posts.create(
        core, acting(core, life.owner.id), NewPost(("Mastodon has withdrawn it",), (ids[Platform("mastodon")],))
    )
    until(life, deliveries.c.state.in_(("failed", "held", "waiting")), 1)
    until(life, repairs.c.id > 0, 1)
    until(life, alerts.c.id > 0, 3)
    until(life, notifications.c.tries > 0, 3)
    remember(life)
    life.made.children["sidecar"].send_signal(signal.SIGKILL)
    life.made.children.pop("sidecar").wait()
    begin(life, "sidecar2", "-m", "postprober.api", ready=f"{life.api}/healthz")


def remember(life: Life) -> None:
    """The tokens that are sealed in the database at this moment: those that were renewed are secrets, too."""
    core = life.made.core
    assert core
    with core.db.read() as conn:
        for account in account_storage.of_user(conn, life.owner.id):
            for value in secrets_of(open_credentials(core.vault, account)):
                if len(value) >= 12 and value != "sandbox-client":
                    life.hunter.add(f"a token of {account.platform.value} that was in use", unique(value))
    for letter in life.post_office.emails:
        body = letter.get_body(("plain",))
        for token in re.findall(r"reset=([\w-]{20,})", body.get_content() if body else ""):
            life.hunter.add("a link that was mailed", token)


def reports_are_made(life: Life) -> Path:
    """Reports in every form, a shared proof, a backup; returns the backup's folder."""
    core = life.made.core
    assert core
    today = core.clock.now()
    with core.db.read() as conn:
        post_id = conn.execute(
            select(func.min(deliveries.c.post_id)).where(deliveries.c.state == "verified")
        ).scalar_one()
    for form in ("html", "pdf", "csv", "parquet"):
        life.call("owner", "GET", f"/api/reports/posts/{post_id}?format={form}")
        days = f"from={today - timedelta(days=2):%Y-%m-%d}&to={today:%Y-%m-%d}"
        life.call("owner", "GET", f"/api/reports/period?{days}&format={form}")
    status, _ = life.call("owner", "PUT", f"/api/reports/posts/{post_id}/proof", kept=False)
    assert status == 200
    target = life.made.folder / "backups"
    target.mkdir()
    for command in (("backup", str(target)), ("doctor",), ("keys", "rotate"), ("posts", "--user", life.owner.email)):
        done = subprocess.run(
            [sys.executable, "-m", "postprober", *command],
            text=True,
            cwd=ROOT,
            capture_output=True,
            timeout=120,
            env={**os.environ, **life.made.env},
            check=False,
        )
        with (life.made.folder / "cli.log").open("a") as log:
            log.write(done.stdout + done.stderr)
    assert backup_set.of_set(target)
    return target


def everybody_reads_everything(life: Life) -> int:
    """Every GET of the API as everybody, with ids that exist; returns how many requests that were."""
    core = life.made.core
    assert core
    paths: dict[str, Any] = json.loads(life.call("", "GET", "/api/openapi.json")[1])["paths"]
    with core.db.read() as conn:
        known = {
            "post_id": list(conn.execute(select(deliveries.c.post_id)).scalars()),
            "delivery_id": list(conn.execute(select(deliveries.c.id)).scalars()),
        }
    asked = 0
    for path, methods in paths.items():
        if "get" not in methods:
            continue
        names = re.findall(r"{(\w+)}", path)
        choices = known.get(names[0], [1, 2, 3, 4, 5]) if names else [0]
        for value in choices:
            for who in ("", *life.tokens):
                # A signed link to one's own file is what this answers.
                kept = not path.endswith("/url")
                full = re.sub(r"{\w+}", str(value), path)
                life.call(who, "GET", full, kept=kept)
                asked += 1
    for path in ("/metrics", "/healthz", "/readyz"):
        life.call("", "GET", path)
    return asked
