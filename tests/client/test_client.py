"""The client and the commands with `--server`: against a running sidecar, and against the server's own description."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from postprober.api.app import create_app
from postprober.cli import main, remote
from postprober.client import ApiRefused, RestClient, calls, shapes, uploading
from postprober.errors import BadInput, OutcomeUnknown, Unavailable
from postprober.http import HttpClient, Pools, Reply
from postprober.storage import users as people
from postprober.storage.tables import media as media_table
from postprober.storage.tables import posts as post_table
from tests.api.rest_kit import png
from tests.api.serving import serving
from tests.installed import Installation
from tests.mcp_tools.conftest import House
from tests.pipeline.test_on_the_sandbox import context, drive
from tests.platforms.test_media import box, mp4

ROOT = Path(__file__).resolve().parents[2]
SCOPES = (
    "accounts:read",
    "media:read",
    "media:write",
    "monitoring:read",
    "monitoring:write",
    "posts:read",
    "posts:draft",
    "posts:propose",
    "posts:publish",
)


@pytest.fixture
def house(installation: Installation) -> Iterator[House]:
    account, other = installation.link("bluesky"), installation.link("mastodon")
    with serving(create_app(installation.core)) as url:
        yield House(installation, url, account, other)


@pytest.fixture
def client(house: House) -> Iterator[RestClient]:
    made = RestClient(house.url, house.token(*SCOPES))
    yield made
    made.close()


SHAPES = {
    "CardJson": "CardBody",
    "NewPostJson": "NewPostBody",
    "AccountJson": "ListedAccount",
    "GroupJson": "GroupOut",
    "PostJson": "PostOut",
    "WhenJson": "WhenOut",
    "CheckedJson": "CheckedOut",
    "CheckJson": "CheckList",
    "ProposalJson": "ProposalOut",
    "DeliveryJson": "DeliveryOut",
    "MonitoringJson": "MonitoringOut",
    "MediaJson": "MediaOut",
    "StepJson": "LogOut",
}


def test_the_shapes_are_those_of_the_servers_description(installation: Installation) -> None:
    known = create_app(installation.core).openapi()["components"]["schemas"]
    named = {name for name, one in vars(shapes).items() if isinstance(one, type) and hasattr(one, "__total__")}
    assert named == set(SHAPES)
    for name, theirs in SHAPES.items():
        fields = set(get_type_hints(getattr(shapes, name)))
        assert fields <= set(known[theirs]["properties"]), (name, fields - set(known[theirs]["properties"]))


def test_every_call_is_in_the_servers_description(installation: Installation) -> None:
    paths = create_app(installation.core).openapi()["paths"]
    post: Any = {"content": "x", "account_ids": [1]}
    made = [
        calls.me(),
        calls.accounts(),
        calls.account_groups(),
        calls.save_account_group("up_1", [1]),
        calls.delete_account_group("up_1"),
        calls.limits(1),
        calls.preflight(post),
        calls.next_slot(),
        calls.posts(),
        calls.post(1),
        calls.draft(post),
        calls.publish(post),
        calls.change(1, post, 1),
        calls.propose(post),
        calls.propose_draft(1),
        calls.withdraw(1),
        calls.delete(1),
        calls.monitoring(1),
        calls.repairs(1),
        calls.steps(1),
        calls.delivery(1),
        calls.retry(1),
        calls.retry_delivery(1),
        calls.rewrite(1, ["x"]),
        calls.media_from_url("u"),
        calls.announce_upload("n"),
        calls.finished_upload("up_1"),
    ]
    known = {
        (method, "/".join("*" if "{" in p else p for p in path.split("/")))
        for path, one in paths.items()
        for method in one
    }
    for call in made:
        path = "/".join("*" if p.isdigit() or p.startswith("up_") else p for p in call.path.split("/"))
        assert (call.method.lower(), path) in known, call


def test_a_post_from_the_accounts_to_the_proof(house: House, client: RestClient, tmp_path: Path) -> None:
    assert [one["id"] for one in client.accounts()] == [house.account.id, house.other.id]
    assert client.limits(house.account.id)["length"] == 300 and client.next_slot()["zone"] == "UTC"
    picture = tmp_path / "cat.png"
    picture.write_bytes(png())
    media = client.upload(picture, "A cat")
    assert (media["name"], media["alt"]) == ("cat.png", "A cat")
    wish: shapes.NewPostJson = {
        "content": "From a program",
        "account_ids": [house.account.id],
        "media_ids": [media["id"]],
    }
    assert client.preflight(wish)["ok"] is True
    draft = client.draft(wish)
    changed = client.change(draft["id"], {**wish, "content": "Changed"}, draft["version"])
    assert changed["content"] == "Changed"
    client.delete(draft["id"])
    made = client.publish({**wish, "key": "once"})
    assert client.publish({**wish, "key": "once"})["id"] == made["id"]
    drive(context(house.installation), [one.id for one in house.deliveries(made["id"])])
    (look,) = list(client.looks(made["id"], 5))
    assert look["finished"] is True and look["deliveries"][0]["proof"] == "matches"
    rows, _ = client.steps(made["id"])
    assert {row["step"] for row in rows} >= {"posting", "verification"}
    assert client.repairs(made["id"]) == [] and client.posts(5)[0]["id"] == made["id"]
    proposed = client.propose({"content": "For a person", "account_ids": [house.account.id]})
    assert proposed["waits_for_a_person"] is True


def test_a_refusal_is_the_servers_sentence(house: House, client: RestClient) -> None:
    with pytest.raises(ApiRefused, match="Shorten") as caught:
        client.publish({"content": "x" * 400, "account_ids": [house.account.id]})
    assert (caught.value.status, caught.value.kind) == (422, "preflight-failed") and caught.value.problem["violations"]
    stranger = RestClient(house.url, "pp_wrong")
    with pytest.raises(ApiRefused, match="Sign in first"):
        stranger.accounts()
    stranger.close()
    for server, token in (("post.example.org", "pp_x"), ("ftp://a", "pp_x"), (house.url, "")):
        with pytest.raises(BadInput):
            RestClient(server, token)


def test_a_broken_connection_is_tried_again_and_makes_one_post(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to the first try is lost after the server has worked."""
    import httpx2

    monkeypatch.setattr("postprober.client.client.PAUSE", 0.01)
    lost: list[str] = []

    class Cutting(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            reply = super().handle_request(request)
            if request.method == "POST" and len(lost) < 2:
                reply.read()
                reply.close()
                lost.append(request.headers["idempotency-key"])
                raise httpx2.ReadError("cut")
            return reply

    pools = Pools(allow_private=True, transport=Cutting())
    client = RestClient(house.url, house.token(*SCOPES), http=HttpClient(pools))
    made = client.draft({"content": "Once", "account_ids": [house.account.id]})
    pools.close()
    assert len(lost) == 2 and len(set(lost)) == 1
    with house.core.db.read() as conn:
        assert conn.execute(select(func.count()).select_from(post_table)).scalar_one() == 1
    assert made["content"] == "Once"


def test_a_lost_answer_makes_no_failure_of_what_was_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has changed, and then deleted; both answers are lost."""
    import httpx2

    monkeypatch.setattr("postprober.client.client.PAUSE", 0.01)
    cut: list[str] = []

    class Cutting(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            reply = super().handle_request(request)
            if request.method in ("PUT", "DELETE") and request.method not in cut:
                reply.read()
                reply.close()
                cut.append(request.method)
                raise httpx2.ReadError("cut")
            return reply

    pools = Pools(allow_private=True, transport=Cutting())
    client = RestClient(house.url, house.token(*SCOPES), http=HttpClient(pools))
    made = client.draft({"content": "Once", "account_ids": [house.account.id]})
    with pytest.raises(Unavailable, match="not known"):
        client.change(made["id"], {"content": "Twice", "account_ids": [house.account.id]}, made["version"])
    assert client.post(made["id"])["content"] == "Twice"
    client.delete(made["id"])
    with pytest.raises(ApiRefused):
        client.delete(made["id"])  # the control: nothing was lost, and nothing is there
    pools.close()
    assert cut == ["PUT", "DELETE"]


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postprober.client.client.PAUSE", 0.01)
    client = RestClient("http://127.0.0.1:9", "pp_x")
    with pytest.raises(Unavailable, match="does not answer"):
        client.accounts()
    client.close()


def command(
    house: House, tmp_path: Path, *args: str, token: str = "", stdin: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    wanted = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "POSTPROBER_DATA_DIR": str(tmp_path / "nothing"),
        "POSTPROBER_TOKEN": token or house.token(*SCOPES),
        **env,
    }
    return subprocess.run(
        [sys.executable, "-m", "postprober", *args],
        input=stdin,
        env=wanted,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=tmp_path,
    )


@pytest.mark.timeout(400)
def test_the_commands_do_on_a_server_what_they_do_here(house: House, tmp_path: Path) -> None:
    at = ("--server", house.url)
    listed = command(house, tmp_path, *at, "accounts", "list", "--json")
    assert [one["id"] for one in json.loads(listed.stdout)] == [house.account.id, house.other.id], listed.stderr
    (tmp_path / "cat.png").write_bytes(png())
    publish = (
        "publish",
        "--account",
        str(house.account.id),
        "--text",
        "By command",
        "--media",
        "cat.png",
        "--alt",
        "A cat",
        "--key",
        "k1",
        "--json",
    )
    made = [json.loads(command(house, tmp_path, *at, *publish).stdout.splitlines()[-1]) for _ in range(2)]
    assert made[0]["post_id"] == made[1]["post_id"] and made[0]["event"] == "result"
    drive(context(house.installation), [one.id for one in house.deliveries(made[0]["post_id"])])
    waited = command(house, tmp_path, *at, *publish, "--wait", "--timeout", "20")
    assert waited.returncode == 0, waited.stderr
    events = [json.loads(line) for line in waited.stdout.splitlines()]
    assert {one["event"] for one in events} == {"step", "result"}
    assert events[-1]["deliveries"][0]["proof"] == "matches"
    proposed = command(
        house, tmp_path, *at, "publish", "--account", str(house.account.id), "--text", "AskedFor", "--propose"
    )
    assert proposed.returncode == 4 and "A person decides" in proposed.stdout
    assert "By command" in command(house, tmp_path, "posts", "--json", POSTPROBER_SERVER=house.url).stdout
    again = command(house, tmp_path, *at, "retry", str(made[0]["post_id"]))
    assert again.returncode == 2 and "failed" in again.stderr + again.stdout
    told = command(
        house, tmp_path, *at, "report", str(made[0]["post_id"]), "--json", token=house.token(*SCOPES, "reports:read")
    )
    assert (
        json.loads(told.stdout)["deliveries"][0]["proof"] == "matches"
        and json.loads(told.stdout)["text"] == "By command"
    )
    written = command(
        house,
        tmp_path,
        *at,
        "report",
        str(made[0]["post_id"]),
        "--format",
        "csv",
        "--out",
        "r.csv",
        token=house.token("reports:read"),
    )
    assert written.returncode == 0 and "By command" in (tmp_path / "r.csv").read_text(), written.stderr
    for args in (("ghost", "1", "dance"), ("report",), ("report", "1", "--format", "csv"), ("ghost", "1", "check")):
        assert command(house, tmp_path, *at, *args).returncode == 2
    typed = house.installation.made("bluesky")["typed"]
    linked = command(
        house,
        tmp_path,
        *at,
        "accounts",
        "add",
        "--platform",
        "bluesky",
        "--json",
        token=house.token("accounts:write"),
        stdin=json.dumps(typed),
    )
    assert json.loads(linked.stdout)["platform"] == "bluesky", linked.stderr
    asked = command(
        house, tmp_path, *at, "accounts", "add", "--platform", "x", token=house.token("accounts:write"), stdin="{}"
    )
    assert "Open this address" in asked.stdout, asked.stderr
    writing = house.token("accounts:read", "accounts:write")
    grouped = ("accounts", "group", "Our brand", "--account", str(house.account.id))
    assert command(house, tmp_path, *at, *grouped, token=writing).returncode == 0
    groups = json.loads(command(house, tmp_path, *at, "accounts", "groups", "--json").stdout)
    assert groups == [{"name": "Our brand", "account_ids": [house.account.id]}]
    to_group = command(house, tmp_path, *at, "publish", "--group", "our BRAND", "--text", "To a group", "--json")
    (result,) = [json.loads(line) for line in to_group.stdout.splitlines()]
    assert [one["account_id"] for one in result["deliveries"]] == [house.account.id]
    assert command(house, tmp_path, *at, *grouped[:3], "--delete", token=writing).returncode == 0
    gone = command(house, tmp_path, *at, "accounts", "remove", str(house.other.id), token=house.token("accounts:write"))
    assert gone.returncode == 0, gone.stderr
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("args", [("doctor",), ("backup", "x"), ("keys", "rotate")])
def test_what_is_done_where_it_is_installed_says_so(house: House, tmp_path: Path, args: tuple[str, ...]) -> None:
    done = command(house, tmp_path, "--server", house.url, *args)
    assert done.returncode == 2 and "leave --server out" in done.stderr + done.stdout
    assert not (tmp_path / "nothing").exists()


def test_a_large_file_is_never_whole_in_memory(house: House, client: RestClient, tmp_path: Path) -> None:
    """60 MB behind a picture's head; the server refuses what it is, which shows that all of it came."""
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.write(b"\0\0\0\x18ftypmp42")
        file.truncate(60 * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(ApiRefused) as refused:
            client.upload(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.status == 422 and most < 30 * 2**20, (refused.value, most)


class Breaking(HttpClient):
    """Each of these pieces (counted from one) is cut: half of it arrives, and no answer comes back."""

    def __init__(self, pools: Pools, cut: set[int]) -> None:
        super().__init__(pools)
        self.cut, self.pieces = cut, [0]

    def bound(self, *, secrets: Any = (), **_: Any) -> HttpClient:
        return self

    def send(self, method: str, url: str, **options: Any) -> Reply:
        if method == "PATCH":
            self.pieces[0] += 1
            if self.pieces[0] in self.cut:
                super().send(method, url, **{**options, "content": options["content"][: len(options["content"]) // 2]})
                raise OutcomeUnknown("The connection broke.")
        return super().send(method, url, **options)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(mp4() + box(b"free", os.urandom(300_000)))
    return path


def test_a_connection_that_breaks_costs_one_piece(house: House, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "PIECE", 50_000)
    monkeypatch.setattr(uploading, "PAUSE", 0.0)
    pools, seen = Pools(allow_private=True), []
    http = Breaking(pools, {1, 3, 4, 7})
    client = RestClient(house.url, house.token(*SCOPES), http=http)
    made = client.upload(film, "A film", progress=lambda arrived, length: seen.append((arrived, length)))
    pools.close()
    size = film.stat().st_size
    assert made["size"] == size and made["alt"] == "A film"
    assert seen[0] == (0, size) and seen[-1] == (size, size) and seen == sorted(seen)
    assert (25_000, size) in seen and http.pieces[0] < 12
    with house.installation.core.db.read() as conn:
        (row,) = conn.execute(select(media_table).where(media_table.c.id == made["id"])).all()
    assert (house.installation.core.settings.data_dir / row.path).read_bytes() == film.read_bytes()


def test_a_program_that_was_ended_goes_on_in_the_next_one(
    house: House, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PIECE", 50_000)
    book = uploading.UploadBook(tmp_path / "state" / "uploads.json")
    client = RestClient(house.url, house.token(*SCOPES))

    def ended(arrived: int, _length: int) -> None:
        if arrived >= 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.upload(film, progress=ended, book=book)
    assert (tmp_path / "state" / "uploads.json").stat().st_mode & 0o077 == 0
    seen: list[int] = []
    made = client.upload(film, progress=lambda arrived, _: seen.append(arrived), book=book)
    assert seen[0] == 100_000 and made["size"] == film.stat().st_size
    again: list[int] = []
    assert client.upload(film, progress=lambda arrived, _: again.append(arrived), book=book)["id"] != made["id"]
    assert again[0] == 0, "what has ended is begun anew"
    client.close()


def test_who_signs_in_as_somebody_else_begins_anew(
    house: House, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun is that person's, and goes where their files are."""
    monkeypatch.setattr(uploading, "PIECE", 50_000)
    book = uploading.UploadBook(tmp_path / "uploads.json")

    def ended(arrived: int, _length: int) -> None:
        if arrived >= 100_000:
            raise KeyboardInterrupt

    first = RestClient(house.url, house.token(*SCOPES))
    with pytest.raises(KeyboardInterrupt):
        first.upload(film, progress=ended, book=book)
    core = house.installation.core
    with core.db.write() as conn:
        people.add(conn, email="other@example.org", password_hash="", now=core.clock.now(), name="other")
    second = RestClient(house.url, house.token(*SCOPES, email="other"))
    assert second.upload(film, book=book)["size"] == film.stat().st_size
    first.close()
    second.close()


def test_a_file_whose_name_is_no_text_is_sent(client: RestClient, film: Path) -> None:
    """Names of files are bytes; some are older than UTF-8."""
    old = film.with_name(os.fsdecode(b"caf\xe9.mp4"))
    film.rename(old)
    made = client.upload(old, book=uploading.UploadBook(film.with_name("uploads.json")))
    assert made["name"] == "caf_.mp4"


def test_a_book_that_cannot_be_read_is_an_empty_one(tmp_path: Path) -> None:
    for odd in ("{", "[]", '{"a": 1}', '{"a": ["b", "c"]}'):
        (tmp_path / "uploads.json").write_text(odd)
        book = uploading.UploadBook(tmp_path / "uploads.json")
        assert book.get("a") == ""
        book.put("a", "up_1")
        assert book.get("a") == "up_1"
    (tmp_path / "file").write_text("")
    uploading.UploadBook(tmp_path / "file" / "uploads.json").put("a", "up_1")


def test_an_upload_that_is_over_is_begun_anew_and_a_server_that_is_gone_is_one_sentence(
    house: House, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PAUSE", 0.0)

    class Old(uploading.UploadBook):
        def get(self, key: str) -> str:
            return "up_" + "a" * 43

    client = RestClient(house.url, house.token(*SCOPES))
    assert client.upload(film, book=Old(tmp_path / "uploads.json"))["size"] == film.stat().st_size
    client.close()
    gone = RestClient("http://127.0.0.1:9", "pp_x")
    with pytest.raises(Unavailable, match="does not answer"):
        gone.upload(film)
    with pytest.raises(BadInput, match="cannot be read"):
        gone.upload(tmp_path / "missing.mp4")
    gone.close()


def test_the_command_stores_files_here_and_elsewhere(house: House, film: Path, tmp_path: Path) -> None:
    done = command(house, tmp_path, "--server", house.url, "upload", str(film), "--alt", "A film", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "video"
    odd = command(house, tmp_path, "--server", house.url, "upload", str(film), "--alt", "a", "--alt", "b")
    assert odd.returncode == 2 and "more alt texts" in odd.stderr


def test_a_keyring_that_is_locked_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a desktop has the library and no keyring."""

    class Locked:
        @staticmethod
        def get_password(*_: str) -> str:
            raise RuntimeError("No recommended backend was available.")

    monkeypatch.setattr(remote, "_keyring", Locked)
    monkeypatch.delenv(remote.TOKEN, raising=False)
    with pytest.raises(BadInput, match=f"set {remote.TOKEN}"):
        remote.client_for("https://post.example.org")
    monkeypatch.setenv(remote.TOKEN, "pp_x")
    remote.client_for("https://post.example.org").close()


@pytest.mark.parametrize(
    ("server", "warned"),
    [
        ("http://post.example.org", True),
        ("http://10.0.0.4:8010", True),
        ("https://post.example.org", False),
        ("http://127.0.0.1:8010", False),
        ("http://[::1]:8010", False),
        ("http://localhost:8010", False),
    ],
)
def test_a_token_on_its_way_in_the_clear_is_told(
    server: str, warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(remote.TOKEN, "pp_x")
    remote.client_for(server).close()
    told = capsys.readouterr()
    assert told.out == "" and ("without encryption" in told.err) is warned


@pytest.mark.parametrize(
    "args",
    [
        ("accounts", "list", "--user", "bob@example.org"),
        ("publish", "--account", "1", "--text", "x", "--user", "bob@example.org"),
        ("accounts", "add", "--platform", "bluesky", "--name", "Mine"),
        ("rewrite", "1", "--text", "x", "--approve", "abc"),
        ("posts", "--user", "bob@example.org"),
    ],
)
def test_an_option_that_only_the_installation_understands_is_not_dropped(args: tuple[str, ...]) -> None:
    told = CliRunner().invoke(
        main.app, ["--server", "http://127.0.0.1:9", *args], input="{}", env={"POSTPROBER_TOKEN": "pp_x"}
    )
    assert isinstance(told.exception, BadInput) and args[-2] in str(told.exception)
    remote.chosen.server = ""


def test_what_needs_no_installation_works_beside_the_address_of_one() -> None:
    env = {"POSTPROBER_SERVER": "http://127.0.0.1:9"}
    told = CliRunner().invoke(main.app, ["review", "--json"], input="The bridge is open.", env=env)
    assert told.exit_code == 0 and '"appropriate"' in told.output, told.output
    told = CliRunner().invoke(main.app, ["suggest", "--json"], input="The bridge is open.", env=env)
    assert told.exit_code == 0, told.output
    remote.chosen.server = ""
