"""The command line as a person or a program uses it: exit codes, exact output, and one sentence for bad input."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from PIL import Image

from postprober.cli import main
from postprober.domain.actor import COMMAND_LINE
from postprober.domain.delivery import DeliveryState
from postprober.pipeline.core import transitions
from postprober.pipeline.core.tokens import open_credentials
from postprober.services.monitoring import monitoring
from postprober.services.people import passwords, second_factor
from postprober.services.posts import advice, posts
from postprober.services.posts.posts import NewPost
from postprober.services.reports import printing
from postprober.storage import accounts, deliveries, users
from postprober.storage import posts as post_storage
from postprober.storage.records import Delivery
from tests.conftest import PASSWORD
from tests.installed import Installation
from tests.people import acting, asked
from tests.platforms.document_kit import pdf
from tests.profile import chosen, servers

S = DeliveryState
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Said]


@pytest.fixture
def run(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    """`run(*arguments, stdin=bytes)`: the command in this process, on the installation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTPROBER_DATA_DIR", str(installation.core.settings.data_dir))
    monkeypatch.setenv("POSTPROBER_SANDBOX_PORT", str(installation.sandbox.port))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, stdin: bytes = b"", **env: str) -> Said:
        for name, value in env.items():
            monkeypatch.setenv(f"POSTPROBER_{name}", value)
        monkeypatch.setattr(sys, "argv", ["postprober", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    return call


def sentence(said: Said) -> str:
    """The one sentence on stderr."""
    lines = [line for line in said.err.splitlines() if line.strip()]
    assert len(lines) == 1, said.err
    assert "Traceback" not in said.err
    return lines[0]


def token(made: dict[str, Any]) -> bytes:
    return json.dumps({k: made[k] for k in ("access_token", "refresh_token", "expires_at")}).encode()


# Bad input: exit code 2, one sentence, nothing written


BAD: dict[str, tuple[tuple[str, ...], bytes]] = {
    "unknown platform": (("accounts", "add", "--platform", "friendster"), b"{}"),
    "token that is no JSON": (("accounts", "add", "--platform", "x"), b"not json"),
    "no token at all": (("accounts", "add", "--platform", "x"), b""),
    "token that is a list": (("accounts", "add", "--platform", "x"), b"[]"),
    "token without a token": (("accounts", "add", "--platform", "x"), b'{"refresh_token": "r"}'),
    "token that the platform refuses": (("accounts", "add", "--platform", "x"), b'{"access_token": "wrong"}'),
    "app password that the platform refuses": (
        ("accounts", "add", "--platform", "bluesky"),
        b'{"identifier": "nobody.test", "password": "wrong-one"}',
    ),
    "token with odd characters": (("accounts", "add", "--platform", "x"), '{"access_token": "tökén"}'.encode()),
    "token that is not UTF-8": (("accounts", "add", "--platform", "x"), b'{"access_token": "\xff\xfe"}'),
    "instance that is no address": (
        ("accounts", "add", "--platform", "mastodon", "--instance", "https://["),
        b'{"access_token": "t"}',
    ),
    "unknown user": (("accounts", "list", "--user", "nobody@example.org"), b""),
    "unknown account to remove": (("accounts", "remove", "999"), b""),
    "preflight of an unknown platform": (("preflight", "--platform", "friendster"), b"hi"),
    "preflight of text that is not UTF-8": (("preflight", "--platform", "x"), b"\xff\xfe"),
    "short password": (("user", "create", "new@example.org"), b"short\n"),
    "no e-mail address": (("user", "create", "new"), b"a long enough password\n"),
    "e-mail address in use": (("user", "create", "owner@example.org"), b"a long enough password\n"),
    "unknown zone": (("user", "create", "new@example.org", "--zone", "Mars"), b"a long enough password\n"),
    "retry of an unknown post": (("retry", "999"), b""),
    "report of an unknown post": (("report", "999"), b""),
    "backup into nowhere": (("backup", "/nowhere/at/all.sqlite"), b""),
}

PUBLISH: dict[str, tuple[str, ...]] = {
    "unknown account": ("--account", "999", "--text", "hi"),
    "the same account twice": ("--account", "{account}", "--account", "{account}", "--text", "hi"),
    "somebody else's account": ("--account", "{account}", "--text", "hi", "--user", "stranger@example.org"),
    "empty text": ("--account", "{account}", "--text", ""),
    "text too long": ("--account", "{account}", "--text", "x" * 501),
    "text too long with a good file": ("--account", "{account}", "--text", "x" * 501, "--media", "{picture}"),
    "lone surrogate": ("--account", "{account}", "--text", "a\udcffb"),
    "naive time": ("--account", "{account}", "--text", "hi", "--at", "2030-01-01T10:00"),
    "time in the past": ("--account", "{account}", "--text", "hi", "--at", "2020-01-01T10:00Z"),
    "time in the far future": ("--account", "{account}", "--text", "hi", "--at", "2999-01-01T10:00Z"),
    "time outside the calendar": ("--account", "{account}", "--text", "hi", "--at", "0001-01-01T00:00+14:00"),
    "no time": ("--account", "{account}", "--text", "hi", "--at", "soon"),
    "missing file": ("--account", "{account}", "--text", "hi", "--media", "missing.png"),
    "a folder as file": ("--account", "{account}", "--text", "hi", "--media", "."),
    "empty file": ("--account", "{account}", "--text", "hi", "--media", "{empty}"),
    "file of another kind": ("--account", "{account}", "--text", "hi", "--media", "{text}"),
    "good file and then a bad one": (
        "--account",
        "{account}",
        "--text",
        "hi",
        "--media",
        "{picture}",
        "--media",
        "{text}",
    ),
    "too many files": ("--account", "{account}", "--text", "hi", *("--media", "{picture}") * 5),
    "more alt texts than files": ("--account", "{account}", "--text", "hi", "--alt", "a"),
    "account that is no number": ("--account", "one", "--text", "hi"),
    "account out of range": ("--account", "99999999999999999999999", "--text", "hi"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_sentence_and_writes_nothing(run: Run, installation: Installation, name: str) -> None:
    arguments, stdin = BAD[name]
    before = installation.counts()
    said = run(*arguments, stdin=stdin)
    assert said.code == 2, said
    assert sentence(said)
    assert said.out == ""
    assert installation.counts() == before


@pytest.mark.parametrize("name", PUBLISH)
def test_a_post_that_cannot_be_made_gets_an_explanation_and_writes_nothing(
    run: Run, installation: Installation, tmp_path: Path, name: str
) -> None:
    files = {"picture": tmp_path / "p.png", "empty": tmp_path / "empty.png", "text": tmp_path / "t.png"}
    Image.new("RGB", (30, 30), "red").save(files["picture"])
    files["empty"].touch()
    files["text"].write_text("hello")
    account = installation.link("mastodon")
    values = {"account": str(account.id), **{k: str(v) for k, v in files.items()}}
    before = installation.counts()
    said = run("publish", *(a.format(**values) if a.startswith("{") else a for a in PUBLISH[name]))
    assert said.code == 2, said
    assert said.err.strip() and "Traceback" not in said.err
    assert said.out == ""
    assert installation.counts() == before


SETTINGS = {
    "unknown mode": {"MODE": "production"},
    "port out of range": {"APP_PORT": "70000"},
    "port that is no number": {"API_PORT": "http"},
    "no workers": {"WORKERS": "0"},
    "short secret": {"SECRET_KEY": "short"},
    "vault keys that are no keys": {"VAULT_KEYS": "nonsense"},
    "vault key too short": {"VAULT_KEYS": "k1:c2hvcnQ="},
    "vault key with an odd name": {"VAULT_KEYS": "k-1:" + "A" * 43 + "="},
    "secret shared with the vault": {"SECRET_KEY": "A" * 43 + "=", "VAULT_KEYS": "k1:" + "A" * 43 + "="},
    "live without a secret": {"MODE": "live"},
    "live with an open public address": {
        "MODE": "live",
        "SECRET_KEY": "s" * 40,
        "VAULT_KEYS": "k1:" + "A" * 43 + "=",
        "PUBLIC_URL": "http://p.example",
    },
    "live with an open app address": {
        "MODE": "live",
        "SECRET_KEY": "s" * 40,
        "VAULT_KEYS": "k1:" + "A" * 43 + "=",
        "APP_URL": "http://p.example",
    },
    "database address that is none": {"DATABASE_URL": "nonsense"},
    "database of an unknown kind": {"DATABASE_URL": "oracle2://x/y"},
    "database that is not there": {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"},
    "data folder that is a file": {"DATA_DIR": "{file}"},
    "unknown dialect": {"X_DIALECT": "klingon"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_bad_settings_refuse_to_start_in_one_sentence(
    run: Run, installation: Installation, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("x")
    before = installation.counts()
    values = {k: v.format(file=tmp_path / "file") for k, v in SETTINGS[name].items()}
    said = run("posts", **values)
    assert said.code == 2, said
    assert sentence(said)
    assert "A" * 20 not in said.err and "s" * 20 not in said.err, "no secret is shown"
    assert installation.counts() == before


@pytest.mark.embedded("about SQLite's file")
def test_a_corrupt_database_refuses_to_start_and_is_left_as_it_was(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "postprober.sqlite").write_bytes(content := os.urandom(9000))
    said = run("posts", DATA_DIR=str(bad))
    assert said.code == 2 and "left as it is" in sentence(said)
    assert (bad / "postprober.sqlite").read_bytes() == content


# What programs read


def test_the_platforms_are_listed_with_what_they_take_and_how_they_prove(run: Run) -> None:
    listed = {line["key"]: line for line in run("platforms", "--json").lines}
    assert list(listed) == [
        "x",
        "linkedin",
        "instagram",
        "mastodon",
        "bluesky",
        "telegram",
        "discord",
        "nostr",
        "wordpress",
    ]
    options = listed["instagram"].pop("options")
    assert [one["name"] for one in options][:2] == ["collaborators", "reel_in_feed"] and options[1]["default"] is True
    assert listed["instagram"] == {
        "key": "instagram",
        "title": "Instagram",
        "linking": ["consent", "browser", "token"],
        "fields": [],
        "limits": {
            "length": 2200,
            "with_media": 2200,
            "unit": "characters",
            "threads": False,
            "images": 10,
            "gif": False,
            "video": True,
            "document": False,
            "subtitles": False,
        },
        "proof": {"unknown": "looked for", "answers_strangers": False},
    }
    assert (
        listed["bluesky"]["linking"] == ["consent", "password", "token"]
        and listed["bluesky"]["proof"]["answers_strangers"]
    )
    assert listed["linkedin"]["proof"]["unknown"] == "held for a person"
    told = run("platforms").out
    assert "Mastodon: 500 characters; 4 images, gif, video; linked by consent or token;" in told
    assert listed["telegram"]["linking"] == ["token"] and listed["telegram"]["limits"]["with_media"] == 1024
    assert [(one["name"], one["secret"]) for one in listed["telegram"]["fields"]] == [
        ("access_token", True),
        ("channel", False),
    ]
    assert "4096 characters, 1024 with media; 10 images, gif, video; linked by token (access_token, channel);" in told


def test_a_token_of_ones_own_is_linked_with_what_the_platform_asks_for(run: Run, installation: Installation) -> None:
    made = installation.made("telegram")
    typed = {"access_token": made["access_token"], "channel": f"@{made['name']}"}
    for missing in typed:
        said = run("accounts", "add", "--platform", "telegram", stdin=json.dumps({**typed, missing: ""}).encode())
        assert said.code == 2 and missing in sentence(said)
    said = run("accounts", "add", "--platform", "telegram", "--json", stdin=json.dumps(typed).encode())
    assert said.code == 0 and said.lines[0]["name"] == made["name"]
    assert made["access_token"] not in said.out + said.err


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("Hello 世界", 0, {"platform": "x", "ok": True, "length": 10, "limit": 280, "violations": []}),
        ("x" * 281, 2, {"platform": "x", "ok": False, "length": 281, "limit": 280}),
    ],
)
def test_preflight_prints_exactly_the_documented_shape(
    run: Run, text: str, code: int, expected: dict[str, Any]
) -> None:
    said = run("preflight", "--platform", "x", "--json", stdin=(text + "\n").encode())
    assert said.code == code
    (found,) = said.lines
    assert set(found) == {"platform", "ok", "length", "limit", "violations"}
    assert {k: found[k] for k in expected} == expected
    for violation in found["violations"]:
        assert set(violation) == {"code", "message", "over"} and violation["over"] == 1


def test_preflight_for_people_says_what_to_change(run: Run) -> None:
    said = run("preflight", "--platform", "bluesky", stdin=("é" * 310).encode())
    assert said.code == 2 and "310 of 300" in said.out


def test_adding_an_account_prints_its_id_and_no_token(run: Run, installation: Installation) -> None:
    made = installation.made("x")
    said = run("accounts", "add", "--platform", "twitter", "--name", "Mine", stdin=token(made))
    assert said.code == 0
    assert said.out.strip().isdigit()
    with installation.core.db.read() as conn:
        account = accounts.get(conn, int(said.out))
    assert open_credentials(installation.core.vault, account).access_token == made["access_token"]
    listed = run("accounts", "list", "--json")
    assert [row["id"] for row in listed.lines[0]] == [account.id]
    assert made["access_token"] not in said.out + said.err + listed.out


def test_adding_an_account_as_json(run: Run, installation: Installation) -> None:
    said = run("accounts", "add", "--platform", "x", "--json", stdin=token(made := installation.made("x")))
    assert said.lines == [{"account_id": 1, "platform": "x", "name": made["name"]}]


def test_removing_an_account_withdraws_it(run: Run, installation: Installation) -> None:
    account = installation.link("mastodon")
    said = run("accounts", "remove", str(account.id))
    assert said.code == 0 and "Removed" in said.out
    assert run("accounts", "list", "--json").lines == [[]]
    assert run("accounts", "remove", str(account.id)).code == 2


STEP = {"event", "delivery_id", "platform", "step", "status", "at", "detail"}
RESULT = {"delivery_id", "account_id", "platform", "state", "proof", "remote_id", "url"}


def test_publishing_and_waiting_prints_steps_and_a_result(run: Run, installation: Installation) -> None:
    account = installation.link("mastodon")
    said = run("publish", "--account", str(account.id), "--text", "Hello from the command line", "--wait", "--json")
    assert said.code == 0, said
    *steps, result = said.lines
    assert all(set(step) == STEP and step["event"] == "step" for step in steps)
    assert [s["step"] for s in steps if s["status"] == "success"][:3] == ["authentication", "posting", "verification"]
    assert all(step["at"].endswith("Z") for step in steps)
    assert set(result) == {"event", "post_id", "deliveries"} and result["event"] == "result"
    (delivery,) = result["deliveries"]
    assert set(delivery) == RESULT
    assert (delivery["state"], delivery["proof"], delivery["platform"]) == ("verified", "matches", "mastodon")
    assert delivery["url"].startswith(installation.sandbox.url)


def test_publishing_for_people_shows_the_end(run: Run, installation: Installation) -> None:
    account = installation.link("mastodon")
    said = run("publish", "--account", str(account.id), "--text", "Hello people", "--wait")
    assert said.code == 0
    assert said.out.strip().splitlines()[-1].startswith(f"Mastodon ({account.account_name}): ")
    assert f"{installation.sandbox.url}/mastodon/" in said.out


def test_a_refused_post_ends_with_code_three(run: Run, installation: Installation) -> None:
    account = installation.link("x")
    installation.sandbox.control.fault("x", "duplicate", account=account.account_name)
    said = run("publish", "--account", str(account.id), "--text", "Refused", "--wait", "--json")
    assert said.code == 3, said
    assert said.lines[-1]["deliveries"][0]["state"] == "failed"


def test_a_post_that_cannot_be_told_ends_with_code_four(run: Run, installation: Installation) -> None:
    account = installation.link("linkedin")
    installation.sandbox.control.fault("linkedin", "cut_after_accept", account=account.account_name)
    said = run("publish", "--account", str(account.id), "--text", "Lost answer", "--wait", "--json")
    assert said.code == 4, said
    assert said.lines[-1]["deliveries"][0]["state"] == "held"


def test_planning_without_waiting_returns_at_once(run: Run, installation: Installation) -> None:
    account = installation.link("mastodon")
    said = run("publish", "--account", str(account.id), "--text", "Later", "--at", "2027-06-01T10:00+02:00", "--json")
    assert said.code == 0
    assert [line["event"] for line in said.lines] == ["result"]
    with installation.core.db.read() as conn:
        found = deliveries.get(conn, said.lines[0]["deliveries"][0]["delivery_id"])
    assert found.due_at.isoformat() == "2027-06-01T08:00:00+00:00" and found.state is S.SCHEDULED


def test_a_group_of_accounts_is_published_to_by_its_name(run: Run, installation: Installation) -> None:
    one, two = installation.link("mastodon").id, installation.link("x").id
    assert run("accounts", "group", "Brand", "--account", str(one), "--account", str(two)).code == 0
    assert run("accounts", "groups", "--json").lines == [[{"name": "Brand", "account_ids": [one, two]}]]
    later = ("--at", "2027-06-01T10:00+02:00", "--json")
    said = run("publish", "--group", "brand", "--account", str(two), "--text", "Later", *later)
    assert sorted(d["account_id"] for d in said.lines[0]["deliveries"]) == sorted([one, two])
    before = installation.counts()
    for args, why in (
        ((), "Name at least one account"),
        (("--group", "Brnd"), "There is no group of accounts “Brnd”"),
    ):
        refused = run("publish", *args, "--text", "Nowhere", *later)
        assert refused.code == 2 and why in refused.err
    assert installation.counts() == before
    assert run("accounts", "group", "Brand", "--delete", "--account", str(one)).code == 2
    assert run("accounts", "group", "Brand", "--delete").code == 0
    assert run("accounts", "groups", "--json").lines == [[]]


def _failed(inst: Installation) -> int:
    made = posts.create(inst.core, acting(inst.core, inst.owner), NewPost(("Hello",), (inst.link("mastodon").id,)))
    with inst.core.db.write() as conn:
        delivery = deliveries.of_post(conn, made.id)[0]
        transitions.move(conn, delivery, S.FAILED, reason="refused", now=inst.core.clock.now(), next_at=None)
    return made.id


def test_posts_report_and_retry(run: Run, installation: Installation) -> None:
    post_id = _failed(installation)
    (rows,) = run("posts", "--json").lines
    assert rows == [{"id": post_id, "status": "failed", "text": "Hello", "deliveries": "Mastodon: failed"}]
    (report,) = run("report", str(post_id), "--json").lines
    assert report["event"] == "report" and report["deliveries"][0]["state"] == "failed"
    assert {s["step"] for s in report["deliveries"][0]["steps"]} == {
        "authentication",
        "posting",
        "verification",
        "engagement",
    }
    assert "refused" in run("report", str(post_id)).out.lower()
    assert "1 deliveries will be retried" in run("retry", str(post_id)).out
    assert run("retry", str(post_id)).code == 2
    assert run("report", str(post_id), "--user", "stranger@example.org").code == 2
    assert run("posts", "--user", "stranger@example.org").out.strip() == "None yet."


@pytest.mark.embedded("the backup of PostgreSQL is pg_dump")
def test_backup_rotate_and_doctor(run: Run, installation: Installation, tmp_path: Path) -> None:
    installation.link("mastodon")
    target = tmp_path / "copy.sqlite"
    assert run("backup", str(target)).code == 0
    with sqlite3.connect(target) as copy:
        assert copy.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
    copy.close()
    assert run("backup", str(target)).code == 2
    keys = json.loads((installation.core.settings.data_dir / "secrets.json").read_text())["vault_keys"]
    rotated = run("keys", "rotate", VAULT_KEYS="k2:" + "B" * 43 + "=," + keys)
    assert rotated.code == 0 and "0 left on older keys" in rotated.out
    doctor = run("doctor", "--json")
    found = {row["name"]: row["ok"] for row in doctor.lines[0]}
    assert doctor.code == 3 and found["database"] and found["vault"] and not found["scheduler"]
    assert "FAIL scheduler" in run("doctor").out


@pytest.mark.embedded("PostgreSQL is dumped by its own program")
def test_a_folder_of_backups_is_rehearsed_and_restored_beside_what_is_there(
    run: Run, installation: Installation, tmp_path: Path
) -> None:
    installation.link("mastodon")
    folder, other = tmp_path / "backups", tmp_path / "other"
    said = run("backup", str(folder), "--keep", "2")
    assert said.code == 0 and "Keys are not in it" in said.out + said.err
    told = run("restore", "--check", str(folder))
    assert told.code == 0 and "is sound: 3 users, 1 accounts, 0 posts" in told.out + told.err
    assert not other.exists()
    back = run("restore", str(folder), "--into", str(other))
    assert back.code == 0 and "0 posts were due" in back.out + back.err
    with sqlite3.connect(other / "postprober.sqlite") as copy:
        assert copy.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
    copy.close()
    nothing = run("restore", str(tmp_path / "nothing"))
    assert nothing.code == 2 and "has no backup" in nothing.err
    assert run("restore", "--check", str(other / "postprober.sqlite")).code == 2


def test_user_reset_prints_a_link_under_which_a_password_is_chosen_once(run: Run, installation: Installation) -> None:
    said = run("user", "reset", "owner@example.org")
    assert said.code == 0
    token = json.loads(said.out).split("reset=")[1]
    found = passwords.owner_of(installation.core, token)
    assert found is not None and found.id == installation.owner


def test_the_second_factor_of_who_lost_it_is_turned_off_and_once_only(run: Run, installation: Installation) -> None:
    core = installation.core
    with core.db.read() as conn:
        owner = users.get(conn, installation.owner)
    secret = second_factor.enrol(core, acting(core, owner)).secret
    code = pyotp.TOTP(secret).at(int(core.clock.now().timestamp()))
    second_factor.enable(core, acting(core, owner), secret, code, PASSWORD, "")
    said = run("user", "second-factor-off", "owner@example.org")
    assert said.code == 0 and "off for owner@example.org" in said.out
    with core.db.read() as conn:
        assert users.get(conn, installation.owner).totp_secret is None
    (alert,) = monitoring.alerts(core, acting(core, installation.owner))
    assert "The operator turned off" in alert.message
    said = run("user", "second-factor-off", "owner@example.org")
    assert said.code == 2 and "off already" in sentence(said)


def test_making_a_user(run: Run, installation: Installation) -> None:
    said = run("user", "create", "Neu@Example.org", "--zone", "Europe/Berlin", stdin=b"a long enough password\n")
    assert said.code == 0 and "created" in said.out
    assert "long enough" not in said.out + said.err
    assert run("accounts", "list", "--user", "neu@example.org").code == 0


def test_without_a_user_it_says_how_to_make_one(run: Run, tmp_path: Path) -> None:
    said = run("posts", DATA_DIR=str(tmp_path / "fresh"), **{k.upper(): v for k, v in chosen().items()})
    assert said.code == 2 and "user create" in sentence(said)


def test_an_unknown_command_or_option_is_bad_input(run: Run) -> None:
    for arguments in (("nothing",), ("posts", "--nothing"), ("publish",), ("preflight",)):
        assert run(*arguments).code == 2


def test_it_runs_as_a_module_in_a_process_of_its_own(tmp_path: Path) -> None:
    env = {**os.environ, "POSTPROBER_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "postprober", "preflight", "--platform", "x", "--json"],
        input=b"\xc3\xa9\n",
        env=env,
        cwd=tmp_path,
        capture_output=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["length"] == 1
    bad = subprocess.run(
        [sys.executable, "-m", "postprober", "posts"],
        env={**env, "POSTPROBER_MODE": "nonsense"},
        cwd=tmp_path,
        capture_output=True,
        timeout=110,
        check=False,
    )
    assert bad.returncode == 2
    assert len(bad.stderr.decode().strip().splitlines()) == 1


def test_a_post_that_waits_for_a_review_ends_with_4_and_says_why(run: Run, installation: Installation) -> None:
    account = installation.link("bluesky")
    said = run("publish", "--account", str(account.id), "--text", "Hello {{name}}")
    assert said.code == 4 and "is held for review" in said.out + said.err and "template" in said.out + said.err
    told = run("publish", "--account", str(account.id), "--text", "Hello {{name}}", "--wait", "--json")
    assert told.code == 4 and told.lines[-1] == {
        "event": "result",
        "post_id": told.lines[-1]["post_id"],
        "deliveries": [],
    }


def test_a_report_is_written_as_a_file_of_each_kind(run: Run, installation: Installation, tmp_path: Path) -> None:
    account = installation.link("bluesky")
    post_id = posts.create(
        installation.core, acting(installation.core, installation.owner), NewPost(("Report me",), (account.id,))
    ).id
    day = installation.core.clock.now().date()
    period = ("--from", str(day - timedelta(days=1)), "--to", str(day))
    begins = {"html": b"<!doctype html>", "csv": "\ufeffpost_id".encode(), "parquet": b"PAR1", "pdf": b"%PDF-"}
    for form, mark in begins.items():
        if form == "pdf" and printing.trouble(installation.core):
            continue
        for wish in ((str(post_id),), period):
            out = tmp_path / f"{form}-{len(wish)}.{form}"
            said = run("report", *wish, "--format", form, "--out", str(out))
            assert (said.code, said.err) == (0, ""), said
            assert out.read_bytes().startswith(mark) and not list(tmp_path.glob(".*"))


def test_a_report_about_a_period_is_told_in_words(run: Run, installation: Installation, tmp_path: Path) -> None:
    account = installation.link("bluesky")
    posts.create(
        installation.core, acting(installation.core, installation.owner), NewPost(("Report me",), (account.id,))
    )
    day = str(installation.core.clock.now().date())
    said = run("report", "--from", day, "--to", day)
    assert said.code == 0 and "Bluesky: 0 of 1 went out" in said.out and "Engagement: –" in said.out
    out = tmp_path / "a.txt"
    assert run("report", "--from", day, "--to", day, "--out", str(out)).out == "" and "0 of 1" in out.read_text()


@pytest.mark.parametrize(
    "wish",
    [
        (),
        ("1", "--from", "2026-01-01", "--to", "2026-01-02"),
        ("--from", "2026-01-01"),
        ("--from", "x", "--to", "y"),
        ("1", "--format", "exe"),
        ("1", "--format", "html"),
        ("--from", "2026-01-02", "--to", "2026-01-01"),
        ("1", "--json", "--format", "csv", "--out", "x"),
        ("--from", "2026-01-01", "--to", "2026-01-01", "--json"),
        ("--from", "2026-01-01", "--to", "2026-01-01", "--format", "csv", "--out", "/nowhere/at/all.csv"),
    ],
)
def test_a_wish_for_a_report_that_cannot_be_is_one_sentence(run: Run, wish: tuple[str, ...]) -> None:
    said = run("report", *wish)
    assert said.code == 2 and said.out == "" and len(said.err.strip().splitlines()) == 1


def _held_by_the_review(installation: Installation, *states: DeliveryState) -> Delivery:
    """A delivery in the last of `states`, with words that the review holds and a person has passed once."""
    core, owner = installation.core, installation.owner
    made = posts.create(core, acting(core, owner), NewPost(("TODO: write this",), (installation.link("bluesky").id,)))
    advice.decide_review(core, acting(core, owner), made.id, True)
    with core.db.write() as conn:
        (delivery,) = deliveries.of_post(conn, made.id)
        for state in states:
            found = deliveries.get(conn, delivery.id)
            transitions.move(conn, found, state, reason="test", now=core.clock.now(), next_at=None)
    return delivery


WORDS_AGAIN: dict[str, tuple[tuple[DeliveryState, ...], tuple[str, ...]]] = {
    "rewrite": ((S.CLAIMED, S.SUBMITTING, S.FAILED), ("--text", "TODO: write that")),
    "ghost": ((S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.GHOST), ("publish-again", "--accept-risk")),
}


@pytest.mark.parametrize("command", WORDS_AGAIN)
def test_words_that_the_review_holds_are_sent_with_the_code_that_it_names(
    run: Run, installation: Installation, command: str
) -> None:
    states, rest = WORDS_AGAIN[command]
    delivery = _held_by_the_review(installation, *states)
    wish = (command, str(delivery.id), *rest)
    refused = run(*wish)
    assert refused.code == 2 and refused.out == ""
    told = sentence(refused)
    assert "Held for review, nothing was sent:" in told
    code = told.partition("add --approve ")[2].split()[0]
    assert run(*wish, "--approve", code[:-1] + ("0" if code[-1] != "0" else "1")).code == 2, "another code is none"
    assert run(*wish, "--approve", code).code == 0
    with installation.core.db.read() as conn:
        assert deliveries.of_post(conn, delivery.post_id)[-1].state is S.SCHEDULED


@pytest.mark.embedded("a move begins on SQLite")
def test_what_could_not_be_moved_as_it_was_is_named(
    run: Run, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "MOST_NAMED", 2)
    core = installation.core
    with core.db.write() as conn:
        for number in range(3):
            post_storage.add(
                conn,
                space=installation.owner,
                content="Hello\0",
                platforms=[],
                status="draft",
                scheduled_at=None,
                options={"parts": ["half \ud800"]},
                now=core.clock.now() + timedelta(seconds=number),
            )
    said = run("migrate-to", "-", stdin=f"{servers.database('')}\n".encode())
    assert said.code == 0, said.err
    assert "rows changed in posts: 1, 2 and 1 more.\n" in said.out
    assert said.out.count("rows changed") == 1


@pytest.mark.embedded("a move begins on SQLite")
def test_the_address_to_move_to_may_come_on_stdin_where_nobody_sees_its_password(
    run: Run, empty_database_url: str
) -> None:
    said = run("migrate-to", "-", stdin=f"{empty_database_url}\n".encode())
    if empty_database_url.startswith("sqlite"):
        assert said.code == 2 and "postgresql://" in said.err
    else:
        assert said.code == 0, said.err
        assert said.out.startswith("Moved and compared ")


def test_a_use_case_is_told_that_somebody_came_by_the_command_line(
    run: Run, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asked(monkeypatch)
    assert run("accounts", "list", "--user", "teammate@example.org").code == 0
    assert [(one.user, one.via) for one in seen] == [(installation.teammate, COMMAND_LINE)]


def test_options_go_out_with_the_post_and_wrong_ones_are_one_sentence(run: Run, installation: Installation) -> None:
    account = installation.link("mastodon")
    asked = ("--option", "mastodon.content_warning=Spoilers ahead", "--option", "mastodon.audience=unlisted")
    said = run("publish", "--account", str(account.id), "--text", "Who did it?", *asked, "--wait", "--json")
    assert said.code == 0, said.err
    assert said.lines[-1]["deliveries"][0]["proof"] == "matches"
    (post,) = [p for p in installation.sandbox.control.posts("mastodon") if p["account"] == account.account_name]
    assert (post["extra"]["spoiler_text"], post["extra"]["visibility"]) == ("Spoilers ahead", "unlisted")
    before = installation.counts()
    for wrong in ("audience=unlisted", "mastodon.colour=red", "mastodon.audience", "friendster.a=b", "x.quote=1"):
        told = run("publish", "--account", str(account.id), "--text", "Hm", "--option", wrong)
        assert told.code == 2 and sentence(told)
    assert installation.counts() == before


def test_preflight_counts_what_options_add(run: Run) -> None:
    text = ("x" * 495).encode()
    assert run("preflight", "--platform", "mastodon", stdin=text).code == 0
    said = run("preflight", "--platform", "mastodon", "--option", "content_warning=Spoilers", "--json", stdin=text)
    assert said.code == 2 and said.lines[0]["violations"][0]["over"] == 3
    assert "has no option" in sentence(run("preflight", "--platform", "x", "--option", "colour=red", stdin=b"hi"))


def test_platforms_lists_the_options(run: Run) -> None:
    told = {row["key"]: row for row in run("platforms", "--json").lines}
    assert told["bluesky"]["options"][0]["name"] == "who_can_reply"
    assert "options: content_warning" in run("platforms").out


def test_the_card_of_a_link_is_changed_dropped_or_said_to_be_missing(run: Run, installation: Installation) -> None:
    account = installation.link("bluesky")
    words = ("publish", "--account", str(account.id), "--text", "Read https://www.iana.org/help/example-domains")
    said = run(*words)
    assert said.code == 0 and "No link card: www.iana.org is not called in sandbox mode" in said.out
    assert "No link card" not in run(*words, "--no-card").out
    said = run(*words, "--card-title", "My title", "--card-description", "My words", "--wait", "--json")
    assert said.code == 0 and said.lines[-1]["deliveries"][0]["proof"] == "matches", said
    (card,) = [
        one["card"]
        for one in installation.sandbox.control.posts("bluesky", account.account_name.split(".")[0])
        if one["card"]
    ]
    assert (card["title"], card["description"]) == ("My title", "My words")
    wrong = run(*words, "--no-card", "--card-title", "My title")
    assert wrong.code == 2 and "not both" in wrong.err


def test_preflight_counts_for_an_account_that_pays_for_longer_posts(run: Run) -> None:
    text = ("word " * 140).encode()
    assert run("preflight", "--platform", "x", "--json", stdin=text).lines[0]["limit"] == 280
    said = run("preflight", "--platform", "x", "--long-posts", "--json", stdin=text)
    assert said.code == 0 and (said.lines[0]["length"], said.lines[0]["limit"]) == (700, 25_000)
    assert run("preflight", "--platform", "x", "--long-posts", stdin=b"w" * 25_001).code == 2
    refused = run("preflight", "--platform", "bluesky", "--long-posts", stdin=text)
    assert refused.code == 2 and "Bluesky has no subscription for longer posts" in sentence(refused)


def test_preflight_asks_one_account_by_its_own_limits(run: Run, installation: Installation) -> None:
    with_one, without = installation.link("x", premium=True), installation.link("x")
    text = b"word " * 140
    said = run("preflight", "--account", str(with_one.id), "--json", stdin=text)
    assert said.code == 0 and said.lines[0]["limit"] == 25_000 and said.lines[0]["notes"] == []
    said = run("preflight", "--account", str(without.id), stdin=text)
    assert said.code == 2 and "no subscription for long posts; the limit is 280" in said.out
    for wrong in ((), ("--platform", "x", "--account", "1"), ("--account", "1", "--long-posts")):
        assert run("preflight", *wrong, stdin=text).code == 2


def test_a_known_key_names_its_post_though_its_time_has_passed(run: Run, installation: Installation) -> None:
    account = installation.link("mastodon")
    words = ("publish", "--account", str(account.id), "--text", "Once", "--json")
    first = run(*words, "--key", "release-1", "--wait")
    assert first.code == 0, first.err
    yesterday = (installation.core.clock.now() - timedelta(days=1)).isoformat()
    again = run(*words, "--key", "release-1", "--at", yesterday)
    assert again.code == 0 and again.lines[-1]["post_id"] == first.lines[-1]["post_id"]
    assert run(*words, "--key", "release-2", "--at", yesterday).code == 2, "another post would go out too late"


def test_a_document_and_a_crop_are_asked_for_by_options(run: Run, installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "plan.pdf").write_bytes(pdf(3))
    account = installation.link("linkedin", scopes=["openid", "profile", "w_member_social", "r_member_social"])
    title = ("--option", "linkedin.document_title=The plan")
    said = run(
        "publish", "--account", str(account.id), "--text", "See the plan", "--media", str(tmp_path / "plan.pdf"), *title
    )
    assert said.code == 0, said
    said = run(
        "publish",
        "--account",
        str(account.id),
        "--text",
        "Another",
        "--media",
        str(tmp_path / "plan.pdf"),
        "--option",
        "linkedin.crop=1: square",
    )
    assert said.code == 2 and "Remove the crop of file 1" in sentence(said)
