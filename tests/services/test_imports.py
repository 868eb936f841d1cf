"""Many posts from a CSV file: row by row, nothing before one says so, each row once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.errors import BadInput
from postprober.services import imports, posts
from postprober.storage import accounts
from tests.installed import Installation

HEAD = "text,accounts,time,language\n"


@pytest.fixture
def linked(installation: Installation) -> Installation:
    """The owner has an account on X and two on LinkedIn; they are never asked for anything."""
    now = installation.core.clock.now()
    with installation.core.db.write() as conn:
        for platform, name in (("x", "demo"), ("linkedin", "one"), ("linkedin", "two")):
            accounts.add(
                conn, user_id=installation.owner, platform=platform, account_name=name, now=now, remote_id=name
            )
    return installation


def _at(house: Installation, days: int = 2) -> str:
    return (house.core.clock.now() + timedelta(days=days)).isoformat()


def _read(house: Installation, text: str) -> imports.Batch:
    return imports.read(house.core, house.owner, text.encode())


def _posts(house: Installation) -> list[str]:
    return sorted(p.content for p in posts.listing(house.core, house.owner))


def test_every_row_says_what_is_wrong_with_it_and_nothing_is_written(linked: Installation) -> None:
    batch = _read(
        linked,
        HEAD + f"Good,x,{_at(linked)},en\n{'x' * 281},x,{_at(linked)},\nWho?,myspace,{_at(linked)},\n"
        f"Which?,linkedin,{_at(linked)},\nWhen?,x,tomorrow,\n,x,,\nNobody,,{_at(linked)},\nPast,x,2020-01-01 09:00,\n",
    )
    words = [" ".join(row.problems) for row in batch.rows]
    assert [row.ok for row in batch.rows] == [True] + [False] * 7
    for row, expected in enumerate(
        ("", "X: Shorten the text by 1 character", "no linked account 'myspace'", "linkedin:one or linkedin:two",
         "'tomorrow' is not a time", "The text is empty.", "No account is named", "in the past")
    ):  # fmt: skip
        assert expected in words[row], (row, words[row])
    assert not _posts(linked)


def test_good_rows_are_created_and_bad_ones_do_not_block_them(linked: Installation) -> None:
    batch = _read(linked, HEAD + f"Planned,x;linkedin:two,{_at(linked)},\nBad,nowhere,,\nLater,x:demo,,\n")
    seen: list[tuple[int, int]] = []
    made = imports.create(linked.core, linked.owner, batch, lambda done, of: seen.append((done, of)))
    assert _posts(linked) == ["Later", "Planned"] and seen == [(1, 3), (2, 3), (3, 3)]
    assert [row.made is not None for row in made.rows] == [True, False, True]
    status = {p.content: p.status for p in posts.listing(linked.core, linked.owner)}
    assert status == {"Planned": PostStatus.SCHEDULED, "Later": PostStatus.DRAFT}


def test_pressing_again_or_bringing_the_same_file_again_creates_nothing_twice(linked: Installation) -> None:
    text = HEAD + f"Once,x,{_at(linked)},\n"
    batch = _read(linked, text)
    imports.create(linked.core, linked.owner, batch)
    imports.create(linked.core, linked.owner, batch)
    again = _read(linked, text)
    assert again.rows[0].made is not None
    imports.create(linked.core, linked.owner, again)
    assert _posts(linked) == ["Once"]


def test_two_imports_at_once_create_each_row_once(linked: Installation) -> None:
    batch = _read(linked, HEAD + "".join(f"Row {n},x,{_at(linked, 2 + n)},\n" for n in range(10)))
    barrier, made = threading.Barrier(2), []

    def press() -> None:
        barrier.wait()
        made.append(imports.create(linked.core, linked.owner, batch))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_posts(linked)) == 10
    assert {row.made for row in made[0].rows} == {row.made for row in made[1].rows}


def test_another_person_has_their_own_rows(linked: Installation) -> None:
    batch = imports.read(linked.core, linked.stranger, (HEAD + f"Mine,x,{_at(linked)},\n").encode())
    assert "no linked account" in batch.rows[0].problems[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must name the columns"),
        (b"a,b\n1,2\n", "missing: text, accounts"),
        (HEAD.encode(), "no rows"),
        ("text,accounts\nGr\u00fc\u00dfe,x\n".encode("latin-1"), "not UTF-8"),
        (b"x" * (imports.MAX_BYTES + 1), "split it"),
        ((HEAD + "t,x,,\n" * (imports.MAX_ROWS + 1)).encode(), "at most 500"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(
    linked: Installation, content: bytes, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        imports.read(linked.core, linked.owner, content)


def test_semicolons_a_byte_order_mark_and_line_breaks_in_a_text_are_understood(linked: Installation) -> None:
    batch = imports.read(linked.core, linked.owner, '\ufefftext;accounts;time\n"Two\nlines; one text";x;\n'.encode())
    assert [row.text for row in batch.rows] == ["Two\nlines; one text"] and batch.rows[0].ok


def test_the_template_can_be_read(linked: Installation) -> None:
    assert len(_read(linked, imports.TEMPLATE).rows) == 2


def test_a_platform_may_be_named_in_any_way_people_write_it(linked: Installation) -> None:
    batch = _read(linked, HEAD + f"t,X,{_at(linked)},\nt,LinkedIn:Two,{_at(linked)},\nt,one,{_at(linked)},\n")
    platforms = [Platform.X, Platform.LINKEDIN, Platform.LINKEDIN]
    assert [row.ok for row in batch.rows] == [True] * 3, [row.problems for row in batch.rows]
    assert len(platforms) == len({row.new.account_ids for row in batch.rows if row.new})
