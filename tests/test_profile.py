"""What `make test-scaled` leaves out is what the profile makes no difference to, and nothing can slip out unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profile import SCALED, chosen, database_url


def test_a_test_that_uses_the_profile_without_saying_so_fails_on_both(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="fixture `profiled`"):
        chosen()
    with pytest.raises(AssertionError, match="fixture `profiled`"):
        database_url(tmp_path / "a.sqlite")


@pytest.mark.usefixtures("profiled")
def test_who_says_so_has_the_servers_of_the_profile(tmp_path: Path) -> None:
    assert database_url(tmp_path / "a.sqlite").startswith("postgresql" if SCALED else "sqlite")
    assert set(chosen()) == ({"database_url", "redis_url"} if SCALED else set())
