"""The script of the pipelines against servers, terminals and settings as they are found."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "integrations" / "publish.py"
TOKEN = "pp_not-for-others"
POST = {"post": {"id": 7, "status": "review"}, "waits_for_a_person": True, "decide_at": "http://here/monitor?post=7"}


class Seen(list[tuple[str, str, str, Any]]):
    """(method, path, authorization, body) of every request."""


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, Seen]]:
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.command, self.path, self.headers.get("Authorization", ""), json.loads(body or b"null")))
            answer(self)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{made.server_port}", seen
    finally:
        made.shutdown()
        made.server_close()


def told(status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def run(url: str, **more: str) -> tuple[int, str]:
    env = {
        "PATH": os.environ["PATH"],
        "POSTPROBER_SERVER": url,
        "POSTPROBER_TOKEN": TOKEN,
        "POSTPROBER_ACCOUNTS": "1",
        "POSTPROBER_TEXT": "Hello",
        "POSTPROBER_KEY": "k",
        "POSTPROBER_WAIT": "0",
        **more,
    }
    done = subprocess.run([sys.executable, str(SCRIPT)], env=env, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_the_token_nowhere(status: int) -> None:
    with server(told(200, json.dumps(POST).encode())) as (other, stolen):
        with server(told(status, b"", Location=f"{other}/api/posts/propose")) as (url, seen):
            code, printed = run(url)
        assert code == 2 and other in printed and len(printed.splitlines()) == 1, printed
        assert len(seen) == 1 and seen[0][2] == f"Bearer {TOKEN}" and stolen == []
        assert run(other)[0] == 0 and stolen[0][2] == f"Bearer {TOKEN}"  # the control: where it was set up for


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[]", b"null", b""])
def test_what_is_not_our_api_is_said_to_be_so_at_once(body: bytes) -> None:
    with server(told(200, body)) as (url, seen):
        code, printed = run(url)
    assert code == 2 and "not PostProber's API" in printed and len(printed.splitlines()) == 1 and len(seen) == 1


def test_an_answer_that_is_cut_off_is_asked_for_again() -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        whole = json.dumps(POST).encode()
        if len(seen) == 1:
            told(201, whole[:20], **{"Content-Length": str(len(whole))})(handler)
            handler.close_connection = True
        else:
            told(200, whole)(handler)

    with server(cut) as (url, seen):
        code, printed = run(url)
    assert code == 0 and "Post 7" in printed, printed
    assert len(seen) == 2 and seen[0][3]["key"] == seen[1][3]["key"] == "k"


def test_a_terminal_of_plain_letters_ends_no_run() -> None:
    found = {**POST, "decide_at": "http://here/ämter"}
    with server(told(200, json.dumps(found).encode())) as (url, _):
        code, printed = run(url, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C", POSTPROBER_KEY="k")
    assert code == 0 and "\\xe4mter" in printed, printed


def test_a_token_with_a_line_end_works_and_a_useless_one_is_not_printed() -> None:
    with server(told(200, json.dumps(POST).encode())) as (url, seen):
        assert run(url, POSTPROBER_TOKEN=f"{TOKEN}\n")[0] == 0 and seen[0][2] == f"Bearer {TOKEN}"
        code, printed = run(url, POSTPROBER_TOKEN=f"{TOKEN}\nX-Other: 1")
    assert code == 2 and TOKEN not in printed and "cannot be used" in printed and len(seen) == 1


def test_a_file_of_another_editor_is_the_same_text(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes("\ufeffGrüße\r\n---\r\nZwei\r\n".encode())
    with server(told(200, json.dumps(POST).encode())) as (url, seen):
        assert run(url, POSTPROBER_TEXT="", POSTPROBER_TEXT_FILE=str(file))[0] == 0
    assert seen[0][3]["content"] == ["Grüße", "Zwei"]


def test_how_long_to_wait_is_asked_before_anything_is_written() -> None:
    with server(told(200, json.dumps(POST).encode())) as (url, seen):
        code, printed = run(url, POSTPROBER_WAIT="soon")
    assert code == 2 and "number of seconds" in printed and seen == []


@pytest.mark.parametrize(
    ("env", "key"),
    [
        ({"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1", "GITHUB_SHA": "c0ffee"}, "acme/notes@v1"),
        ({"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "c0ffee"}, "acme/notes@c0ffee"),
        ({"GITHUB_REF_NAME": "v1", "GITHUB_SHA": "c0ffee"}, "acme/notes@v1"),
        ({"CI_COMMIT_TAG": "v1", "CI_COMMIT_SHA": "c0ffee"}, "acme/notes@v1"),
        ({"CI_COMMIT_SHA": "c0ffee"}, "acme/notes@c0ffee"),
    ],
)
def test_two_commits_of_one_branch_are_two_posts(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], key: str
) -> None:
    """By the branch's name the second one would be taken for the first, and never be published."""
    for name in ("GITHUB_REF_TYPE", "GITHUB_REF_NAME", "GITHUB_SHA", "CI_COMMIT_TAG", "CI_COMMIT_SHA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/notes")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("pipeline_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.default_key() == key


def _one(number: int, account: int, state: str) -> dict[str, Any]:
    return {
        "id": number,
        "account_id": account,
        "account": "a",
        "platform": "bluesky",
        "state": state,
        "proof": "",
        "url": None,
    }


@pytest.mark.parametrize(
    ("status", "rows", "code"),
    [
        ("posted", [_one(1, 1, "cancelled"), _one(2, 1, "verified")], 0),  # held once, then approved
        ("posted", [_one(2, 1, "verified"), _one(1, 1, "cancelled")], 0),
        ("failed", [_one(1, 1, "verified"), _one(2, 2, "failed")], 3),
        ("cancelled", [_one(1, 1, "cancelled")], 3),
        ("review", [_one(1, 1, "cancelled")], 0),  # the review was asked again
        ("posting", [_one(1, 1, "submitting")], 4),
    ],
)
def test_the_newest_delivery_of_each_account_decides(status: str, rows: list[dict[str, Any]], code: int) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        made = {"id": 7, "status": "scheduled"}
        found = {"status": status, "finished": True, "deliveries": rows}
        told(200, json.dumps(made if handler.command == "POST" else found).encode())(handler)

    with server(answer) as (url, _):
        ended, printed = run(url, POSTPROBER_MODE="publish")
    assert ended == code, printed
    assert ("A person decides" in printed) is (status == "review")


def test_a_draft_under_the_key_of_what_is_to_be_published_is_said() -> None:
    with server(told(200, json.dumps({"id": 7, "status": "draft"}).encode())) as (url, _):
        assert run(url, POSTPROBER_MODE="draft")[0] == 0
        code, printed = run(url, POSTPROBER_MODE="publish")
    assert code == 4 and "is a draft" in printed


def test_a_server_that_is_broken_is_not_called_a_wrong_setting() -> None:
    with server(told(500, b'{"detail": "Something broke."}')) as (url, _):
        code, printed = run(url)
    assert code == 4 and "Something broke." in printed
    with server(told(403, b'{"detail": "Not with this token."}')) as (url, _):
        assert run(url)[0] == 2
