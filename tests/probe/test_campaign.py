"""The campaign in small: `make test-probe` plays it with thousands of posts."""

from __future__ import annotations

import pytest

from tests.probe.campaign import Campaign

pytestmark = pytest.mark.slow


def test_every_loss_is_told_once_and_no_healthy_post_is_alarmed_about() -> None:
    result = Campaign(healthy=25, ghosts=10, changed=60, flaky=0.15).run()
    assert result.good, result
    assert result.ghosts == 10 and sum(result.changes.values()) == 60 and len(result.changes) == 6
    assert result.naive > 0, "the pages were not flaky, so nothing was shown"


def test_where_nobody_looks_nothing_is_told() -> None:
    """The positive control of the count."""
    result = Campaign(healthy=0, ghosts=5, changed=10, flaky=0.0, quiet=True).run()
    assert result.ghosts == 5 and result.ghosts_told == 0
    assert sum(result.changes_told.values()) == 0 and not result.good
