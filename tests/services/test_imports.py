"""Many posts from a CSV file: row by row, nothing before one says so, each row once."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.errors import BadInput
from postprober.services.accounts import account_names
from postprober.services.posts import delivery_actions, imports, posts
from postprober.storage import accounts, preferences, users
from postprober.storage.records import Account
from tests.installed import Installation
from tests.people import acting

HEAD = "text,accounts,time,language\n"


@pytest.fixture
def linked(installation: Installation) -> Installation:
    """The owner has an account on X and two on LinkedIn; they are never asked for anything."""
    now = installation.core.clock.now()
    with installation.core.db.write() as conn:
        for platform, name in (("x", "demo"), ("linkedin", "one"), ("linkedin", "two")):
            accounts.add(conn, space=installation.owner, platform=platform, account_name=name, now=now, remote_id=name)
    return installation


@pytest.fixture
def tolerant(linked: Installation) -> Installation:
    """With an account, too, on a platform that takes the same text twice."""
    now = linked.core.clock.now()
    with linked.core.db.write() as conn:
        accounts.add(conn, space=linked.owner, platform="mastodon", account_name="toot", now=now, remote_id="toot")
    return linked


def _at(house: Installation, days: int = 2) -> str:
    return (house.core.clock.now() + timedelta(days=days)).isoformat()


def _read(house: Installation, text: str) -> imports.Batch:
    return imports.read(house.core, acting(house.core, house.owner), text.encode())


def _posts(house: Installation) -> list[str]:
    return sorted(p.content for p in posts.listing(house.core, acting(house.core, house.owner))[0])


def _import(house: Installation, text: str, **options: Any) -> imports.Batch:
    return imports.create(house.core, acting(house.core, house.owner), _read(house, text), **options)


def test_every_row_says_what_is_wrong_with_it_and_nothing_is_written(linked: Installation) -> None:
    batch = _read(
        linked,
        HEAD + f"Good,x,{_at(linked)},en\n{'x' * 281},x,{_at(linked)},\nWho?,myspace,{_at(linked)},\n"
        f"Which?,linkedin,{_at(linked)},\nWhen?,x,tomorrow,\n,x,,\nNobody,,{_at(linked)},\nPast,x,2020-01-01 09:00,\n",
    )
    words = [" ".join(row.problems) for row in batch.rows]
    assert [row.ok for row in batch.rows] == [True] + [False] * 7
    for row, expected in enumerate(
        (
            "",
            "X: Shorten the text by 1 character",
            "no linked account 'myspace'",
            "linkedin:one or linkedin:two",
            "'tomorrow' is not a time",
            "The text is empty.",
            "No account is named",
            "in the past",
        )
    ):
        assert expected in words[row], (row, words[row])
    assert not _posts(linked)


def test_good_rows_are_created_and_bad_ones_do_not_block_them(linked: Installation) -> None:
    batch = _read(linked, HEAD + f"Planned,x;linkedin:two,{_at(linked)},\nBad,nowhere,,\nLater,x:demo,,\n")
    seen: list[tuple[int, int]] = []
    made = imports.create(
        linked.core, acting(linked.core, linked.owner), batch, lambda done, of: seen.append((done, of))
    )
    assert _posts(linked) == ["Later", "Planned"] and seen == [(1, 3), (2, 3), (3, 3)]
    assert [row.made is not None for row in made.rows] == [True, False, True]
    status = {p.content: p.status for p in posts.listing(linked.core, acting(linked.core, linked.owner))[0]}
    assert status == {"Planned": PostStatus.SCHEDULED, "Later": PostStatus.DRAFT}


def test_pressing_again_or_bringing_the_same_file_again_creates_nothing_twice(linked: Installation) -> None:
    text = HEAD + f"Once,x,{_at(linked)},\n"
    batch = _read(linked, text)
    imports.create(linked.core, acting(linked.core, linked.owner), batch)
    imports.create(linked.core, acting(linked.core, linked.owner), batch)
    again = _read(linked, text)
    assert again.rows[0].made is not None
    imports.create(linked.core, acting(linked.core, linked.owner), again)
    assert _posts(linked) == ["Once"]


def test_two_imports_at_once_create_each_row_once(linked: Installation) -> None:
    batch = _read(linked, HEAD + "".join(f"Row {n},x,{_at(linked, 2 + n)},\n" for n in range(10)))
    barrier, made = threading.Barrier(2), []

    def press() -> None:
        barrier.wait()
        made.append(imports.create(linked.core, acting(linked.core, linked.owner), batch))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_posts(linked)) == 10
    assert {row.made for row in made[0].rows} == {row.made for row in made[1].rows}


def test_another_person_has_their_own_rows(linked: Installation) -> None:
    batch = imports.read(
        linked.core, acting(linked.core, linked.stranger), (HEAD + f"Mine,x,{_at(linked)},\n").encode()
    )
    assert "no linked account" in batch.rows[0].problems[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"a,b\n1,2\n", "missing: text, accounts"),
        (HEAD.encode(), "no rows"),
        (b"x" * (imports.MAX_BYTES + 1), "split it"),
        ((HEAD + "t,x,,\n" * (imports.MAX_ROWS + 1)).encode(), "at most 500"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(
    linked: Installation, content: bytes, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        imports.read(linked.core, acting(linked.core, linked.owner), content)


def test_semicolons_a_byte_order_mark_and_line_breaks_in_a_text_are_understood(linked: Installation) -> None:
    batch = imports.read(
        linked.core, acting(linked.core, linked.owner), '\ufefftext;accounts;time\n"Two\nlines; one text";x;\n'.encode()
    )
    assert [row.text for row in batch.rows] == ["Two\nlines; one text"] and batch.rows[0].ok


def test_the_template_can_be_read(linked: Installation) -> None:
    assert len(_read(linked, imports.TEMPLATE).rows) == 2


def test_a_platform_may_be_named_in_any_way_people_write_it(linked: Installation) -> None:
    batch = _read(linked, HEAD + f"t,X,{_at(linked)},\nt,LinkedIn:Two,{_at(linked)},\nt,one,{_at(linked)},\n")
    platforms = [Platform("x"), Platform("linkedin"), Platform("linkedin")]
    assert [row.ok for row in batch.rows] == [True] * 3, [row.problems for row in batch.rows]
    assert len(platforms) == len({row.new.account_ids for row in batch.rows if row.new})


TABLES = Path(__file__).parent / "tables"


@pytest.fixture
def everywhere(linked: Installation) -> Installation:
    """Also one on Mastodon and one on Bluesky."""
    now = linked.core.clock.now()
    with linked.core.db.write() as conn:
        for platform in ("mastodon", "bluesky"):
            accounts.add(
                conn,
                space=linked.owner,
                platform=platform,
                account_name="ada",
                now=now,
                remote_id="ada",
                instance=linked.sandbox.url if platform == "mastodon" else "",
            )
    return linked


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("csv-two-rows-become-one-post", ["'Twas the night before the launch", "Don't stop", "Rock 'n' roll"]),
        ("csv-plain-apostrophe", ["Don't miss it", "It's here"]),
        ("csv-quoted-words-strip-marks", ["'Hello' she said", "'Goodbye' he said"]),
        ("csv-list", ["Pick 'red', 'green', or 'blue'"]),
        ("csv-plain-comma", ["Hello, world", "Bye, world"]),
        ("csv-excel-sep-line", ["Hello"]),
        ("csv-empty-first-line", ["Hello"]),
        ("csv-cp1252", ["Grüße"]),
        ("csv-german-time", ["Hallo"]),
        ("csv-hour-without-zero", ["Hello"]),
        ("csv-french", ["L'été arrive, l'eau est bonne", "Aujourd'hui: l'atelier"]),
    ],
)
def test_the_files_that_people_sent_say_what_they_say(everywhere: Installation, name: str, texts: list[str]) -> None:
    batch = imports.read(
        everywhere.core, acting(everywhere.core, everywhere.owner), (TABLES / f"{name}.csv").read_bytes()
    )
    assert [row.text for row in batch.rows] == texts
    assert [row.problems for row in batch.rows] == [()] * len(texts)
    assert [row.at for row in batch.rows] == [datetime(2027, 3, 2, 9 + n, tzinfo=UTC) for n in range(len(texts))]
    assert batch.sure == (name != "csv-cp1252")


def test_a_date_without_an_hour_is_not_midnight(everywhere: Installation) -> None:
    batch = imports.read(
        everywhere.core, acting(everywhere.core, everywhere.owner), (TABLES / "csv-date-only.csv").read_bytes()
    )
    assert batch.rows[0].at is None and "names no hour; write it like 2027-03-02 09:00" in batch.rows[0].problems[0]


def test_a_language_as_systems_write_it_becomes_a_tag_and_nonsense_is_refused(everywhere: Installation) -> None:
    batch = imports.read(
        everywhere.core,
        acting(everywhere.core, everywhere.owner),
        (TABLES / "csv-language-underscore.csv").read_bytes(),
    )
    assert batch.rows[0].new is not None and batch.rows[0].new.language == "fr-FR" and batch.rows[0].ok
    bad = _read(everywhere, HEAD + "t,x,,French please\n").rows[0]
    assert "no language tag" in bad.problems[0]


def test_the_day_order_is_asked_once_and_one_clear_date_answers_it(linked: Installation) -> None:
    unclear = HEAD + "a,x,03/02/2027 09:00,\nb,x,2027-03-02 10:00,\n"
    batch = _read(linked, unclear)
    assert batch.unclear and [row.ok for row in batch.rows] == [False, True]
    assert "could be 3 February or 2 March" in batch.rows[0].problems[0]
    said = imports.read(linked.core, acting(linked.core, linked.owner), unclear.encode(), order="month")
    assert said.rows[0].at == datetime(2027, 3, 2, 9, tzinfo=UTC) and not said.unclear
    shown = _read(linked, HEAD + "a,x,03/02/2027 09:00,\nb,x,13/02/2027 09:00,\n")
    assert shown.order == "day" and shown.rows[0].at == datetime(2027, 2, 3, 9, tzinfo=UTC)


def test_correcting_one_row_and_importing_again_creates_only_that_row(linked: Installation) -> None:
    good = f"One,x,{_at(linked)},\nTwo,x,{_at(linked, 3)},\n"
    _import(linked, HEAD + good + f"{'x' * 281},x,{_at(linked, 4)},\n")
    assert _posts(linked) == ["One", "Two"]
    batch = _read(linked, HEAD + good + f"Three,x,{_at(linked, 4)},\n")
    assert [row.twice for row in batch.rows] == [True, True, False] and [row.ready for row in batch.rows][2]
    assert "Imported before to X: post" in batch.rows[0].notes[0]
    imports.create(linked.core, acting(linked.core, linked.owner), batch)
    assert _posts(linked) == ["One", "Three", "Two"]


def test_the_same_rows_in_another_dialect_or_order_are_known(linked: Installation) -> None:
    moment = linked.core.clock.now().replace(microsecond=0) + timedelta(days=2)
    _import(linked, HEAD + f"One,x,{moment.isoformat()},\n")
    other = f"Uhrzeit;Konten;Beitrag\n{moment:%d.%m.%Y %H:%M:%S};x:demo;One\n"
    assert _read(linked, other).rows[0].twice
    _import(linked, other)
    assert _posts(linked) == ["One"]


def test_equal_rows_in_one_file_are_said_and_created_twice_only_on_a_word(tolerant: Installation) -> None:
    linked, at = tolerant, _at(tolerant)
    text = HEAD + f"Same,mastodon,{at},\nOther,mastodon,{at},\nSame,mastodon,{at},\n"
    batch = _read(linked, text)
    assert [row.twice for row in batch.rows] == [False, False, True]
    assert batch.rows[2].notes == ("The same as row 1 (Mastodon).",)
    made = imports.create(linked.core, acting(linked.core, linked.owner), batch)
    assert _posts(linked) == ["Other", "Same"]
    made = imports.create(linked.core, acting(linked.core, linked.owner), made, twice={3})
    imports.create(linked.core, acting(linked.core, linked.owner), made, twice={3})
    assert _posts(linked) == ["Other", "Same", "Same"]
    imports.create(linked.core, acting(linked.core, linked.owner), _read(linked, text))
    assert _posts(linked) == ["Other", "Same", "Same"]


def test_a_person_may_import_the_same_rows_again_and_two_who_say_so_at_once_do_it_once(tolerant: Installation) -> None:
    linked, at = tolerant, _at(tolerant)
    text = HEAD + f"Again,mastodon,{at},\nAgain,mastodon,{at},\n"
    _import(linked, text)
    one, two = _read(linked, text), _read(linked, text)
    imports.create(linked.core, acting(linked.core, linked.owner), one, twice={1, 2})
    assert len(_posts(linked)) == 3
    late = imports.create(linked.core, acting(linked.core, linked.owner), two, twice={1, 2})
    assert len(_posts(linked)) == 3 and all(row.made for row in late.rows)


def test_a_row_that_the_database_refuses_blames_nobody_and_stops_no_other(
    linked: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where a mark of the row is there has somebody been faster."""
    batch = _read(linked, HEAD + f"Bad,x;linkedin:one,{_at(linked)},\nGood,x,{_at(linked)},\n")
    bad, put_once = list((batch.rows[0].marks or {}).values()), preferences.put_once

    def refused(conn: Connection, user_id: int, name: str, value: Any) -> None:
        put_once(conn, 10**6 if name in bad else user_id, name, value)  # a user who does not exist

    with monkeypatch.context() as patched:
        patched.setattr(preferences, "put_once", refused)
        made = imports.create(linked.core, acting(linked.core, linked.owner), batch)
    assert made.rows[0].problems == (
        "The database refused this row, nothing of it was created; choose the file again.",
    )
    assert _posts(linked) == ["Good"] and made.rows[1].made
    with linked.core.db.write() as conn:
        put_once(conn, linked.owner, bad[0], made.rows[1].made)
    half = imports.create(linked.core, acting(linked.core, linked.owner), batch).rows[0]
    assert half.problems == ("Part of this row was imported meanwhile; choose the file again.",)
    assert _posts(linked) == ["Good"]


def test_an_account_that_was_added_to_a_row_gets_it_and_the_others_do_not_get_it_again(linked: Installation) -> None:
    at = _at(linked)
    _import(linked, HEAD + f"Both,x,{at},\n")
    batch = _read(linked, HEAD + f"Both,x;linkedin:one,{at},\n")
    assert batch.rows[0].ready and "Imported before to X" in batch.rows[0].notes[0]
    made = imports.create(linked.core, acting(linked.core, linked.owner), batch)
    newest = next(
        p for p in posts.listing(linked.core, acting(linked.core, linked.owner))[0] if p.id == made.rows[0].made
    )
    assert newest.platforms == ["linkedin"]


def test_a_file_that_was_imported_before_rows_were_known_by_content_is_still_known(linked: Installation) -> None:
    content = (HEAD + f"Old,x,{_at(linked)},\n").encode()
    with linked.core.db.write() as conn:
        preferences.put_once(conn, linked.owner, f"import:{hashlib.sha256(content).hexdigest()[:16]}:1", 7)
    row = imports.read(linked.core, acting(linked.core, linked.owner), content).rows[0]
    assert row.twice and row.made == 7


def test_a_time_that_passed_between_reading_and_pressing_is_refused(linked: Installation) -> None:
    moment = linked.core.clock.now() + timedelta(days=1)
    batch = _read(linked, HEAD + f"Late,x,{moment.isoformat()},\n")
    passed = replace(batch.rows[0].new, at=linked.core.clock.now() - timedelta(hours=1))
    made = imports.create(
        linked.core, acting(linked.core, linked.owner), replace(batch, rows=(replace(batch.rows[0], new=passed),))
    )
    assert "in the past" in made.rows[0].problems[0] and not _posts(linked)


def test_the_times_of_an_editor_are_on_the_editors_clock(linked: Installation) -> None:
    with linked.core.db.write() as conn:
        users.write(conn, linked.owner, linked.core.clock.now(), zone="America/New_York")
        users.write(
            conn, linked.teammate, linked.core.clock.now(), zone="Europe/Berlin", owner_id=linked.owner, role="editor"
        )
    content = (HEAD + "Nine,x,2027-03-02 09:00,\n").encode()
    batch = imports.read(linked.core, acting(linked.core, linked.teammate), content)
    assert batch.zone == "Europe/Berlin"
    assert batch.rows[0].at == datetime(2027, 3, 2, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    made = imports.create(linked.core, acting(linked.core, linked.teammate), batch)
    planned = next(
        p for p in posts.listing(linked.core, acting(linked.core, linked.owner))[0] if p.id == made.rows[0].made
    )
    assert planned.scheduled_at == datetime(2027, 3, 2, 8, tzinfo=UTC)
    assert imports.read(linked.core, acting(linked.core, linked.teammate), content).rows[0].twice
    theirs = imports.read(linked.core, acting(linked.core, linked.owner), content).rows[
        0
    ]  # another moment, so another post
    assert theirs.at == datetime(2027, 3, 2, 14, tzinfo=UTC) and theirs.ready


def test_two_accounts_of_one_name_on_two_servers_can_be_named(linked: Installation) -> None:
    now = linked.core.clock.now()
    with linked.core.db.write() as conn:
        for server, number in (
            ("https://one.example", "1"),
            ("https://two.example:8443", "2"),
            ("https://two.example:8443", "3"),
        ):
            accounts.add(
                conn,
                space=linked.owner,
                platform="mastodon",
                account_name="ada",
                now=now,
                remote_id=number,
                instance=server,
            )
    linkedname = account_names.accounts_in("mastodon:ada", accounts_of(linked))
    assert not linkedname[0] and "mastodon:ada@one.example or mastodon:#" in linkedname[1][0]
    for cell in ("mastodon:ada@one.example", "@ada@one.example", "ADA@One.Example", *_ways(linked).values()):
        found, problems = account_names.accounts_in(cell, accounts_of(linked))
        assert len(found) == 1 and not problems, cell


def test_names_with_separators_in_them_can_be_named(linked: Installation) -> None:
    with linked.core.db.write() as conn:
        accounts.add(
            conn,
            space=linked.owner,
            platform="linkedin",
            account_name="Meyer, Schmidt; Co",
            now=linked.core.clock.now(),
            remote_id="9",
        )
    for cell in ("Meyer, Schmidt; Co", "linkedin:Meyer, Schmidt; Co", f"x;{list(_ways(linked).values())[-1]}"):
        found, problems = account_names.accounts_in(cell, accounts_of(linked))
        assert not problems and found[-1].account_name == "Meyer, Schmidt; Co", (cell, problems)


def accounts_of(house: Installation) -> list[Account]:
    with house.core.db.read() as conn:
        return accounts.of_user(conn, house.owner)


def _ways(house: Installation) -> dict[int, str]:
    return account_names.ways(accounts_of(house))


@pytest.mark.parametrize("what", ["text", "time"])
def test_a_corrected_row_says_which_planned_post_it_may_replace(linked: Installation, what: str) -> None:
    at, other = _at(linked), f"Another,x,{_at(linked, 9)},\n"
    made = _import(linked, HEAD + f"Tpyo,x,{at},\n" + other)
    text, then = ("Tpyo", _at(linked, 5)) if what == "text" else ("Typo", at)
    corrected = HEAD + f"{text},x;linkedin:one,{then},\n" + other
    first, second = _read(linked, corrected).rows
    said = f"Post {made.rows[0].made} with the same {what} is still scheduled on X. Cancel it if this row replaces it."
    assert first.ready and first.notes == (said,)
    assert all("still scheduled" not in note for note in second.notes), "it is known itself"
    delivery_actions.cancel(linked.core, acting(linked.core, linked.owner), made.rows[0].made or 0)
    assert _read(linked, corrected).rows[0].notes == ()


def test_a_new_row_beside_those_that_are_still_in_the_file_corrects_none(linked: Installation) -> None:
    old = f"One,x,{_at(linked)},\n"
    _import(linked, HEAD + old)
    batch = _read(linked, HEAD + f"One,x,{_at(linked, 7)},\n" + old)
    assert batch.rows[0].ready and batch.rows[0].notes == ()
    assert _read(linked, HEAD + f"One,x,{_at(linked, 7)},\n").rows[0].notes, "the control"


def test_a_post_that_was_not_imported_and_one_of_another_account_are_nobodys_earlier_row(linked: Installation) -> None:
    _import(linked, HEAD + f"One,linkedin:one,{_at(linked)},\n")
    with linked.core.db.read() as conn:
        (account,) = [one for one in accounts.of_user(conn, linked.owner) if one.platform is Platform("x")]
    by_hand = posts.NewPost(("Two",), (account.id,), at=linked.core.clock.now() + timedelta(days=2))
    posts.create(linked.core, acting(linked.core, linked.owner), by_hand)
    rows = _read(linked, HEAD + f"One,x,{_at(linked, 3)},\nTwo,x,{_at(linked, 3)},\n").rows
    assert rows[0].notes == () and len(rows[1].notes) == 1
    assert "X: The same text is planned for" in rows[1].notes[0] and rows[1].ready, "no earlier row, but the same text"


def test_a_row_that_its_platform_would_refuse_as_said_already_is_not_planned(linked: Installation) -> None:
    at = _at(linked)
    batch = _import(linked, HEAD + f"Same,x,{at},\nSame,x,{at},\n")
    again = imports.create(linked.core, acting(linked.core, linked.owner), batch, twice={2})
    assert _posts(linked) == ["Same"] and "X refuses the same one within about 12 hours" in again.rows[1].problems[0]


def test_columns_named_after_a_platform_are_its_options(linked: Installation) -> None:
    linked.link("mastodon")
    head = "text,accounts,time,Mastodon.Content_Warning,mastodon.sensitive,mastodon.poll_choices,campaign.id\n"
    batch = _read(linked, head + 'One,mastodon,,Spoilers,yes,,7\nTwo,mastodon,,,,"Yes|No",8\nThree,x,,Oops,,,9\n')
    first, second, third = batch.rows
    assert first.new is not None and first.ok
    assert first.new.options == {"mastodon": {"content_warning": "Spoilers", "sensitive": "yes"}}
    assert second.new is not None and second.new.options == {"mastodon": {"poll_choices": "Yes|No"}}
    assert third.problems == ("Options are given for Mastodon, and no account there is chosen; leave them out.",)
    assert batch.ignored == ("campaign.id",)


def test_an_option_that_is_not_there_is_a_problem_of_its_row(linked: Installation) -> None:
    linked.link("mastodon")
    rows = _read(
        linked, "text,accounts,mastodon.colour,mastodon.audience\nOne,mastodon,red,\nTwo,mastodon,,friends\n"
    ).rows
    assert "has no option 'colour'" in rows[0].problems[0]
    assert "is one of public, unlisted, followers" in rows[1].problems[0]


def test_a_row_that_asks_for_something_else_by_now_says_so(linked: Installation) -> None:
    """It is not made anew, so what it asks for now would be lost unsaid."""
    linked.link("mastodon")
    head, at = "text,accounts,time,mastodon.audience,mastodon.sensitive\n", _at(linked)
    _import(linked, head + f"One,mastodon,{at},unlisted,\n")
    (same,) = _read(linked, head + f"One,mastodon,{at}, unlisted,no\n").rows
    assert same.twice and len(same.notes) == 1, "the control: the same wish, spelled otherwise"
    (other,) = _read(linked, head + f"One,mastodon,{at},followers,\n").rows
    assert other.twice and "planned with other options on Mastodon" in other.notes[1]
