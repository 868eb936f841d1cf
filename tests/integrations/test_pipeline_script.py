"""What runs in a pipeline: the command of the action, as its runner would start it, against a running sidecar."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from postprober.api.app import create_app
from postprober.services.posts import advice
from postprober.storage import posts
from tests.api.serving import serving
from tests.installed import Installation
from tests.mcp_tools.conftest import House
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "integrations" / "github" / "action.yml"
SCOPES = ("posts:read", "monitoring:read", "posts:draft", "posts:propose", "posts:publish")


@pytest.fixture
def house(installation: Installation) -> Iterator[House]:
    account, other = installation.link("bluesky"), installation.link("mastodon")
    with serving(create_app(installation.core)) as url:
        yield House(installation, url, account, other)


def run(house: House, tmp_path: Path, token: str, **inputs: Any) -> tuple[int, str, dict[str, str]]:
    """The action's one step with these inputs: exit code, what it printed, its outputs."""
    told = yaml.safe_load(ACTION.read_text())
    (step,) = told["runs"]["steps"]
    given = {"server": house.url, "token": token, "accounts": str(house.account.id), "wait": "0", **inputs}
    values = {name: str(given.get(name, one.get("default", ""))) for name, one in told["inputs"].items()}
    env = {name: values[text.split("inputs.")[1].split(" ")[0]] for name, text in step["env"].items()}
    out = tmp_path / "output"
    out.unlink(missing_ok=True)
    done = subprocess.run(
        ["bash", "-c", step["run"]],
        env={
            "PATH": os.environ["PATH"],
            "GITHUB_ACTION_PATH": str(ACTION.parent),
            "GITHUB_REPOSITORY": "acme/notes",
            "GITHUB_REF_NAME": "v1.4",
            "GITHUB_OUTPUT": str(out),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.txt"),
            **env,
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    lines = out.read_text().splitlines() if out.exists() else []
    return done.returncode, done.stdout + done.stderr, dict(line.split("=", 1) for line in lines)


def test_run_twice_with_a_cut_in_between_makes_one_post_and_one_link(house: House, tmp_path: Path) -> None:
    token = house.token(*SCOPES)
    code, printed, out = run(house, tmp_path, token, text="Version 1.4 is out", mode="publish")
    assert code == 4, printed  # the job was cut off before anything was sent
    post_id = int(out["post_id"])
    drive(context(house.installation), [one.id for one in house.deliveries(post_id)])
    code, printed, out = run(house, tmp_path, token, text="Version 1.4 is out", mode="publish")
    assert code == 0 and int(out["post_id"]) == post_id, printed
    assert printed.count("http") == 1 and "proof: matches" in printed and out["links"].startswith("http")
    assert "proof: matches" in (tmp_path / "summary.txt").read_text()
    with house.core.db.read() as conn:
        found, _ = posts.sizes(conn, house.installation.owner, limit=10), None
    assert len(found) == 1 and len(house.deliveries(post_id)) == 1


def test_a_lost_answer_makes_no_second_post(house: House, tmp_path: Path) -> None:
    """Another run while the first has not heard its answer: the key is the same, so the post is."""
    token = house.token(*SCOPES)
    first = run(house, tmp_path, token, text="Once", mode="draft")[2]["post_id"]
    assert run(house, tmp_path, token, text="Once, in other words", mode="draft")[2]["post_id"] == first
    other = run(house, tmp_path, token, text="Twice", mode="draft", key="another")[2]["post_id"]
    assert other != first


def test_by_default_a_person_decides(house: House, tmp_path: Path) -> None:
    token = house.token("posts:read", "monitoring:read", "posts:propose")
    (tmp_path / "text.txt").write_text("First part\n---\nSecond part\n")
    code, printed, out = run(house, tmp_path, token, **{"text-file": str(tmp_path / "text.txt")})
    assert code == 0 and out["status"] == "review" and "A person decides: http" in printed, printed
    with house.core.db.read() as conn:
        post = posts.get(conn, int(out["post_id"]))
    assert post.options["parts"] == ["First part", "Second part"] and house.deliveries(post.id) == []
    advice.decide_review(house.core, acting(house.core, house.installation.owner), post.id, True)
    code, printed, out = run(house, tmp_path, token, **{"text-file": str(tmp_path / "text.txt")})
    assert out["status"] == "scheduled" and int(out["post_id"]) == post.id and code == 4


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"text": ""}, "Set POSTPROBER_TEXT"),
        ({"text": "x", "mode": "shout"}, "draft, propose or publish"),
        ({"text": "x", "accounts": "one"}, "ids with commas"),
        ({"text": "x", "texts": "[1"}, "JSON"),
        ({"text": "x", "token": "pp_wrong"}, "Sign in first"),
        ({"text": "x" * 400}, "Shorten the text"),
        ({"text-file": "/nowhere.txt"}, "cannot be read"),
    ],
)
def test_wrong_settings_are_one_sentence(house: House, tmp_path: Path, inputs: dict[str, str], said: str) -> None:
    token = inputs.pop("token", "") if "token" in inputs else house.token(*SCOPES)
    code, printed, out = run(house, tmp_path, token, **dict(inputs))
    assert code == 2 and said in printed and len(printed.strip().splitlines()) == 1 and out == {}


def test_the_template_for_gitlab_runs_the_same_script() -> None:
    job = yaml.safe_load((ROOT / "integrations" / "gitlab" / "postprober.yml").read_text())[".postprober"]
    assert job["script"] == ['python3 "$POSTPROBER_SCRIPT"'] and job["variables"]["POSTPROBER_MODE"] == "propose"
    assert (ROOT / job["variables"]["POSTPROBER_SCRIPT"]).is_file()


def test_the_recipe_for_whatever_can_send_http_works_and_may_run_again(house: House) -> None:
    page = (ROOT / "docs" / "ci.md").read_text().partition("## n8n")[2]
    recipe = (
        page.partition("```sh\n")[2]
        .partition("```")[0]
        .replace('"account_ids": [1]', f'"account_ids": [{house.account.id}]')
    )
    env = {
        "PATH": os.environ["PATH"],
        "POSTPROBER_SERVER": house.url,
        "POSTPROBER_TOKEN": house.token("posts:propose", "posts:read", "monitoring:read"),
    }
    told = [
        json.loads(subprocess.run(["bash", "-c", recipe], env=env, capture_output=True, text=True, check=True).stdout)
        for _ in range(2)
    ]
    assert told[0]["post"]["id"] == told[1]["post"]["id"] and [one["is_new"] for one in told] == [True, False]
    assert told[0]["waits_for_a_person"] is True and "/monitor?post=" in told[0]["decide_at"]
