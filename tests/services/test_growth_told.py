"""What the command and the Settings page say of sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from postprober.cli.main import app
from postprober.clock import ManualClock
from postprober.services.media import media
from postprober.services.operations import growth
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.storage import retention
from postprober.storage.growth import Size
from postprober.storage.retention import Keep
from tests.api.rest_kit import png
from tests.installed import Installation
from tests.people import acting


def test_the_whole_is_the_sum_of_its_parts_and_full_disks_are_named(installation: Installation) -> None:
    found = growth.measure(installation.core)
    assert found.now == sum(one.bytes for one in (*found.tables, *found.folders)) > 0
    assert found.in_a_year >= 0 and "in a year" in found.sentence and "no room" not in found.sentence
    small = growth.Growth((Size("posts", 1, 1_000, None, 1e9),), (), 1, free=10**9)
    assert small.sentence == (
        "1.0 kB now, about 365 GB in a year at the rate of the last 30 days. The disk has no room for that: 1.0 GB are free."
    )


def test_sizes_are_read_easily() -> None:
    told = [growth.human(size) for size in (0, 999, 1_000, 5_800, 12_345, 40e9, 2.4e12, 9e15)]
    assert told == ["0 bytes", "999 bytes", "1.0 kB", "5.8 kB", "12 kB", "40 GB", "2.4 TB", "9,000 TB"]


def test_the_command_says_each_part_and_the_forecast(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = installation.core.settings
    monkeypatch.setenv("POSTPROBER_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("POSTPROBER_ENV_FILE", "")
    if settings.database_url:
        monkeypatch.setenv("POSTPROBER_DATABASE_URL", settings.database_url.get_secret_value())
    said = CliRunner().invoke(app, ["growth"])
    assert said.exit_code == 0 and "users" in said.output and "in a year at the rate" in said.output
    told = json.loads(CliRunner().invoke(app, ["growth", "--json"]).output)
    assert {"posts", "media", "archive"} <= {one["name"] for one in told["parts"]} and told["bytes"] > 0


def test_files_that_no_post_names_go_after_the_days_that_the_owner_has_chosen(installation: Installation) -> None:
    core = replace(installation.core, clock=ManualClock(installation.core.clock.now()))
    actor, account = acting(core, installation.owner), installation.link("mastodon").id
    used, unused = (media.add_bytes(core, actor, f"{colour}.png", png(colour), "A cat") for colour in ("red", "blue"))
    posts.create(core, actor, NewPost(("With a cat",), (account,), (used,), at=core.clock.now() + timedelta(days=500)))
    assert isinstance(core.clock, ManualClock)

    def keep(days: int) -> int:
        with core.db.write() as conn:
            retention.put(conn, Keep(unused_media=days))
        return media.drop_unused(core)

    core.clock.advance(timedelta(days=20).total_seconds())
    assert keep(0) == 0 and keep(21) == 0
    path = core.settings.data_dir / media.get(core, actor, unused).path
    assert path.is_file() and keep(19) == 1 and not path.exists()
    assert media.get(core, actor, used).id == used and keep(19) == 0
