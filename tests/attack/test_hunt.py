"""The search itself: what it must see, and that it does not see what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.hunt import Hunter, forms, spoil

SECRET = 'canary"<Zö/+7f3a9c>&51'


@pytest.fixture
def hunter() -> Hunter:
    made = Hunter()
    made.add("the password", SECRET)
    return made


def test_it_finds_the_secret_in_every_place_and_form_of_the_control(hunter: Hunter, tmp_path: Path) -> None:
    places = spoil(tmp_path, SECRET)
    found = {find.place.split(" ")[0].split(":")[0] for find in hunter.look_at_files(tmp_path)}
    assert found == {path.name for path in places.values()}
    for path in places.values():
        path.unlink()
    assert hunter.look_at_files(tmp_path) == set()


def test_it_finds_every_form_in_the_middle_of_something_else(hunter: Hunter) -> None:
    for how, form in forms(SECRET.encode()):
        assert hunter.look(b"before" + form + b"after", "here"), how


def test_it_finds_a_secret_in_the_name_of_a_file(tmp_path: Path) -> None:
    hunter = Hunter()
    hunter.add("the token", "canary-0123456789")
    (tmp_path / "canary-0123456789.txt").touch()
    assert {find.place for find in hunter.look_at_files(tmp_path)} == {"the name of canary-0123456789.txt"}


def test_it_does_not_find_what_is_not_there(hunter: Hunter) -> None:
    assert hunter.look(SECRET[:-1].encode() + b"?", "here") == set()


def test_a_secret_that_chance_could_write_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Hunter().add("a pin", "1234567")


def test_what_only_looks_packed_is_searched_as_it_is(hunter: Hunter) -> None:
    for start in (b"\x1f\x8b", b"PK\x03\x04", b"%PDF-", b"PAR1", b"x\x9c"):
        assert hunter.look(start + b" broken " + SECRET.encode(), "here")
