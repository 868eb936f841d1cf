"""Reports as files: each kind is opened, and pages are looked at as a browser and a printer show them."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pypdfium2 as pdfium
import pytest
from PIL import Image, ImageChops
from sqlalchemy import update

from postprober.browser import screenshot
from postprober.domain.attempt import Act, Outcome
from postprober.domain.criteria import Criteria
from postprober.domain.delivery import Step, StepStatus
from postprober.errors import BadInput, Forbidden, NotFound, Unavailable
from postprober.services.core import Core
from postprober.services.reports import printing, reports
from postprober.storage import attempts, deliveries, evidence_log, goals, pictures, step_log
from postprober.storage.records import PartRecord
from postprober.storage.tables import deliveries as delivery_table
from postprober.storage.tables import media, posts, repairs, transitions, users
from tests.analytics.kit import House
from tests.installed import Installation
from tests.people import acting

NASTY = '=HYPERLINK("http://evil.example") <script>alert(1)</script> <img src=http://evil.example/x.png onerror=alert(1)> {{7*1234567}} & ☀'
ZONE = "Europe/Berlin"
FORMS = tuple(reports.FORMATS)


class Strict(HTMLParser):
    """Every element that is opened is closed, in order; `outside` is whatever would be fetched or run."""

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form", "foreignobject"):
            self.outside.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (name == "style" and "url(" in (value or "")):
                self.outside.append(f"{name}={value}")
            if name in ("src", "srcset", "href", "xlink:href", "data", "action", "poster", "background"):
                own = (value or "").startswith(("data:image/", "#")) or (tag == "a" and name == "href")
                if not own:
                    self.outside.append(f"{tag} {name}={value}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open[-5:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            assert "url(" not in data and "@import" not in data
            return
        self.text.append(data)


def parsed(html: str) -> Strict:
    found = Strict()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


def furnish(installation: Installation) -> int:
    """Ten days of posts on three accounts, and one post that has everything; returns its id."""
    core, me = installation.core, installation.owner
    house, now = House(core.db), core.clock.now()
    mine = [(house.account(me, name, f"{name} account"), name) for name in ("x", "mastodon", "linkedin")]
    for number in range(30):
        account, name = mine[number % 3]
        due = now - timedelta(days=10) + timedelta(hours=7 * number)
        out = None if number % 10 == 9 else due + timedelta(seconds=number)
        one = house.delivery(
            me,
            account,
            name,
            out,
            due_at=due,
            first_byte_at=out,
            proof="matches" if out else "none",
            state="verified" if out else "failed",
        )
        if out:
            likes = [(out + timedelta(hours=h), {"likes": number + h, "replies": None}) for h in (0.5, 2, 12, 24)]
            house.sampled(one, [(at, counts) for at, counts in likes if at < now])
        else:
            _failed(house, me, one, due)
    return _whole(installation, house, mine[0][0])


def _failed(house: House, me: int, delivery: int, at: Any) -> None:
    house.add(
        transitions,
        delivery_id=delivery,
        post_id=delivery,
        user_id=me,
        old="claimed",
        new="held",
        at=at,
        reason="The answer got lost.",
    )
    house.add(
        repairs,
        delivery_id=delivery,
        post_id=delivery,
        user_id=me,
        transition_id=delivery,
        state="applied",
        cause="token_expired",
        cited=[],
        plan={},
        made_at=at,
    )


def _whole(installation: Installation, house: House, account: int) -> int:
    core, me, now = installation.core, installation.owner, installation.core.clock.now()
    out = now - timedelta(hours=30)
    one = house.delivery(
        me,
        account,
        "x",
        out,
        due_at=out,
        first_byte_at=out + timedelta(seconds=2),
        proof="public",
        verified_at=out + timedelta(seconds=5),
        url="https://x.com/demo/status/1",
    )
    file = house.add(
        media,
        user_id=me,
        name=NASTY,
        kind="image",
        mime="image/png",
        size=123456,
        width=400,
        height=300,
        sha256="ab" * 32,
        path="nowhere",
        alt=NASTY,
    )
    with core.db.write() as conn:
        part = PartRecord(0, f"{NASTY} (as it went there)").to_json()
        conn.execute(update(delivery_table).where(delivery_table.c.id == one).values(parts=[part]))
        post_id = deliveries.get(conn, one).post_id
        conn.execute(
            update(posts).where(posts.c.id == post_id).values(content=NASTY, options={"media": [file]}, status="posted")
        )
        found = deliveries.get(conn, one)
        for step in Step:
            step_log.add(conn, found, step, StepStatus.SUCCESS, out, message=f"{step} is done")
        evidence_log.keep(conn, one, "proof", {"differences": [f"the link was shortened {NASTY}"]}, out)
        new = attempts.open_attempt(conn, found, part=0, act=Act.PUBLISH, request_id="r", worker="w", now=out)
        attempts.close_attempt(conn, new, Outcome.SUCCESS, now=out, http_status=201, latency_ms=321, message=NASTY)
        goals.put(conn, post_id, Criteria("likes", 20, 24), now)
    house.add(
        transitions,
        delivery_id=one,
        post_id=post_id,
        user_id=me,
        old="submitting",
        new="published",
        reason=NASTY,
        at=out,
    )
    house.sampled(one, [(out + timedelta(hours=h), {"likes": 3 * h, "views": None}) for h in (1, 3, 12, 24, 29)])
    return post_id


def made(installation: Installation, post_id: int, form: str) -> bytes:
    """The report about the post, or (`post_id` 0) about the last twelve days."""
    core = installation.core
    if post_id:
        return reports.of_post(core, acting(core, installation.owner), post_id, form, ZONE).content
    last = core.clock.now().date()
    return reports.of_period(
        core, acting(core, installation.owner), last - timedelta(days=11), last, form, ZONE
    ).content


@pytest.fixture(params=["post", "period"])
def kind(request: pytest.FixtureRequest, installation: Installation) -> int:
    """0 for the period, else the post that has everything."""
    post_id = furnish(installation)
    return post_id if request.param == "post" else 0


def test_the_page_stands_alone_and_a_persons_text_stays_text(installation: Installation, kind: int) -> None:
    found = parsed(made(installation, kind, "html").decode())
    assert found.outside == []
    text = " ".join(" ".join(found.text).split())
    assert "<script>alert(1)</script>" in text and "8641969" not in text
    assert found.tags.count("svg") == (1 if kind else 2)


def test_the_harness_sees_what_would_be_fetched_or_run() -> None:
    found = parsed(
        '<p onclick="x()"><img src="https://evil.example/a.png"><script></script><a href="https://ok/">ok</a></p>'
    )
    assert found.outside == ["onclick=x()", "img src=https://evil.example/a.png", "script"]


def test_charts_have_a_title_units_and_a_legend(installation: Installation, kind: int) -> None:
    text = " ".join(parsed(made(installation, kind, "html").decode()).text)
    if kind:
        wanted = (
            "Engagement since publishing",
            "Hours since publishing",
            "This post",
            "Usual for this account (median)",
        )
    else:
        wanted = (
            "Engagement gained each day",
            "Engagement a day",
            "Day",
            "Platform",
            "Mastodon",
            "This period",
            "The period before",
        )
    assert [words for words in wanted if words not in text] == []


def test_the_report_of_a_post_tells_all_of_it(installation: Installation) -> None:
    text = " ".join(parsed(made(installation, furnish(installation), "html").decode()).text)
    for words in (
        "Published",
        "X (x account)",
        "https://x.com/demo/status/1",
        "Public: visible without signing in",
        "the link was shortened",
        "ab" * 32,
        "Publish, try 1",
        "HTTP 201",
        "321 ms",
        "20 likes in 24 hours",
        "authentication is done",
        "(as it went there)",
        "At 24 hours",
        "Views –",
    ):
        assert words.lower() in text.lower(), words


def test_csv_defuses_formulas_and_keeps_numbers(installation: Installation, kind: int) -> None:
    rows = list(csv.DictReader(io.StringIO(made(installation, kind, "csv").decode("utf-8-sig"))))
    assert len(rows) == (1 if kind else 31)
    row = rows[-1]
    assert row["text"] == f"'{NASTY}" and (row["likes"], row["views"], row["engagement"]) == ("87", "", "87")
    assert float(row["late_seconds"]) == 2.0


def test_a_spreadsheet_takes_the_times_of_a_csv_for_times_and_says_on_whose_clock_they_are(
    installation: Installation, kind: int
) -> None:
    found = pq.read_table(io.BytesIO(made(installation, kind, "parquet"))).to_pylist()
    rows = list(csv.DictReader(io.StringIO(made(installation, kind, "csv").decode("utf-8-sig"))))
    zone = ZoneInfo(rows[0]["time_zone"])
    for row, typed in zip(rows, found, strict=True):
        for name in ("due_at", "first_byte_at", "published_at", "verified_at", "counted_at"):
            if typed[name] is None:
                assert row[name] == ""
                continue
            assert re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", row[name]), row[name]
            assert datetime.fromisoformat(row[name]) == typed[name].astimezone(zone).replace(tzinfo=None, microsecond=0)


def test_parquet_is_typed_and_knows_what_is_missing(installation: Installation, kind: int) -> None:
    rows = pq.read_table(io.BytesIO(made(installation, kind, "parquet"))).to_pylist()
    row = rows[-1]
    assert (row["text"], row["likes"], row["views"], row["attempts"]) == (NASTY, 87, None, 1)
    assert row["due_at"].utcoffset() == timedelta(0) and row["evidence_sha256"]


def test_the_pdf_is_printed_on_a4_with_its_text_and_pictures(
    installation: Installation, kind: int, tmp_path: Any
) -> None:
    if trouble := printing.trouble(installation.core):
        pytest.skip(trouble)
    document = pdfium.PdfDocument(made(installation, kind, "pdf"))
    assert 1 <= len(document) <= 5
    text = ""
    for number, page in enumerate(document):
        assert [round(side) for side in page.get_size()] == [595, 842], "A4 in points"
        text += page.get_textpage().get_text_bounded()
        picture = page.render(scale=1.5).to_pil().convert("RGB")
        picture.save(tmp_path / f"{number}.png")
        assert ink(picture), "an empty page"
        assert not ink(picture.crop((0, 0, 50, picture.height))), "something stands in the left margin"
        assert not ink(picture.crop((picture.width - 50, 0, picture.width, picture.height))), "cut at the right"
    wanted = (
        ("Every try", "Evidence", "This post") if kind else ("Failures and repairs", "Best posts", "Mastodon", "All")
    )
    assert [words for words in (*wanted, "Page 1 of", "Made by PostProber") if words not in text] == []


def ink(picture: Image.Image) -> bool:
    """Whether anything but paper is there."""
    return ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).getbbox() is not None


@pytest.mark.parametrize("width", [1000, 390])
def test_the_page_fits_a_screen_and_a_phone(installation: Installation, kind: int, width: int) -> None:
    core = installation.core
    if core.browser is None or printing.trouble(core):
        pytest.skip(printing.trouble(core))
    html = made(installation, kind, "html").decode()

    def job(context: Any) -> tuple[int, list[str], bytes]:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.set_content(html)
        wide = page.evaluate("document.documentElement.scrollWidth")
        return int(wide), asked, screenshot(page, full_page=True) or b""

    wide, asked, picture = core.browser.visit(job, seconds=60, viewport=(width, 900))
    assert wide <= width and [url for url in asked if not url.startswith("data:")] == []
    assert ink(Image.open(io.BytesIO(picture)).convert("RGB"))


def test_without_chromium_a_pdf_is_refused_in_a_sentence_and_html_is_not(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation.core.settings, "browser", "off")
    post_id = furnish(installation)
    with pytest.raises(Unavailable, match="switched off"):
        made(installation, post_id, "pdf")
    assert made(installation, post_id, "html")


@pytest.mark.parametrize("form", FORMS[:1] + FORMS[2:])
def test_an_empty_period_makes_a_report_that_says_so(installation: Installation, form: str) -> None:
    assert made(installation, 0, form)


def test_a_post_that_was_never_sent_and_one_that_was_never_counted_have_a_report(installation: Installation) -> None:
    house, me = House(installation.core.db), installation.owner
    draft = house.add(posts, user_id=me, content="", platforms=[], options={})
    out = installation.core.clock.now()
    house.delivery(me, house.account(me, "x"), "x", out)
    assert "It has not been sent anywhere yet" in made(installation, draft, "html").decode()
    assert "Authentication" in made(installation, draft + 1, "html").decode()


def test_nobody_gets_a_report_of_others(installation: Installation) -> None:
    post_id, core = furnish(installation), installation.core
    with pytest.raises(NotFound):
        reports.of_post(core, acting(core, installation.stranger), post_id, "csv", "UTC")
    today = core.clock.now().date()
    told = reports.of_period(
        core, acting(core, installation.stranger), today - timedelta(days=20), today, "csv", "UTC"
    ).content
    assert len(told.decode().splitlines()) == 1, "the names of the columns and nothing else"
    with core.db.write() as conn:
        conn.execute(update(users).where(users.c.id == installation.teammate).values(role="nobody"))
    with pytest.raises(Forbidden):
        reports.of_period(core, acting(core, installation.teammate), today, today, "csv", "UTC")


@pytest.mark.parametrize(
    ("first", "last", "form", "zone"),
    [
        (date(2026, 1, 2), date(2026, 1, 1), "csv", "UTC"),
        (date(2020, 1, 1), date(2026, 1, 1), "csv", "UTC"),
        (date(2026, 1, 1), date(2026, 1, 1), "exe", "UTC"),
        (date(2026, 1, 1), date(2026, 1, 1), "csv", "../etc"),
        (date(9999, 12, 31), date(9999, 12, 31), "csv", "UTC"),
        (date(1, 1, 1), date(1, 1, 1), "csv", "UTC"),
    ],
)
def test_a_wrong_wish_is_refused_in_words(
    installation: Installation, first: date, last: date, form: str, zone: str
) -> None:
    with pytest.raises(BadInput):
        reports.of_period(installation.core, acting(installation.core, installation.owner), first, last, form, zone)


def test_dates_near_the_end_of_the_calendar_do_not_break(installation: Installation) -> None:
    core: Core = installation.core
    today = core.clock.now().date()
    assert reports.text_of_period(
        core, acting(core, installation.owner), today, today + timedelta(days=300), "Pacific/Kiritimati"
    )


def test_the_newest_picture_of_a_post_is_in_its_report(installation: Installation) -> None:
    post_id, core = furnish(installation), installation.core
    out = io.BytesIO()
    Image.new("RGB", (600, 300), "green").save(out, "PNG")
    with core.db.write() as conn:
        (one,) = deliveries.of_post(conn, post_id)
        name = pictures.keep(pictures.folder(core.settings.data_dir), out.getvalue())
        for kept in (name, "0" * 64):  # the file of the newer one is gone
            evidence_log.keep(conn, one.id, "look", {}, core.clock.now(), picture=kept)
    html = made(installation, post_id, "html").decode()
    assert parsed(html).outside == [] and html.count("data:image/png;base64,") == 1
