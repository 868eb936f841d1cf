"""The log of every process: its two formats, whose work it is, no secrets, no values of rows, and no flood."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import IntegrityError

from postprober.security import log_folding, log_redaction
from postprober.security.log_folding import BUDGET, FIRST, FoldingHandler


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(log_folding.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(FoldingHandler, "_tell_later", lambda self: None)  # the timer is on the clock of the machine
    return made


class Log:
    """A logger of its own with one of our handlers."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.out = io.StringIO()
        self.handler = FoldingHandler(self.out)
        self.handler.setFormatter(formatter)
        self.log = logging.getLogger("postprober.test.logs")
        self.log.handlers, self.log.propagate = [self.handler], False
        self.log.setLevel(logging.INFO)

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()


@pytest.fixture
def text() -> Iterator[Log]:
    made = Log(log_redaction.OneLine("scheduler"))
    yield made
    made.log.handlers = []


@pytest.fixture
def jsons() -> Iterator[Log]:
    made = Log(log_redaction.JsonLine("worker"))
    yield made
    made.log.handlers = []


def test_a_line_says_when_how_bad_who_and_what(text: Log) -> None:
    text.log.info("started as %s", "w1")
    when, rest = text.lines[0].split(" ", 1)
    assert when.endswith("Z") and "T" in when
    assert rest == "INFO scheduler postprober.test.logs started as w1"


def test_whose_work_it_is_stands_in_the_line_and_not_in_one_that_stands_for_many(text: Log, clock: Clock) -> None:
    asked, carried = log_redaction.request_id.set("abc-12345"), log_redaction.delivery_id.set(7)
    try:
        text.log.warning("slow")
        text.log.warning("slow")
        clock.now += 61
        text.log.warning("slow")
    finally:
        log_redaction.request_id.reset(asked)
        log_redaction.delivery_id.reset(carried)
    first, repeated, again = text.lines
    assert "[request=abc-12345 delivery=7] slow" in first and first.split(" ", 1)[1] == again.split(" ", 1)[1]
    assert "repeated 1 times" in repeated and "abc" not in repeated


def test_a_json_line_has_its_parts_by_name(jsons: Log) -> None:
    carried = log_redaction.delivery_id.set(7)
    try:
        jsons.log.info("GET\n%s", "/x\u2028", extra={"fields": {"status": 200}})
    finally:
        log_redaction.delivery_id.reset(carried)
    (line,) = jsons.lines
    told = json.loads(line)
    assert {"time", "level", "process", "pid", "logger", "message", "delivery_id", "status"} == told.keys()
    assert (told["message"], told["process"], told["status"]) == ("GET\n/x\u2028", "worker", 200)


@pytest.mark.parametrize("kind", [log_redaction.OneLine, log_redaction.JsonLine])
def test_neither_secrets_nor_values_of_rows_are_in_it(kind: type[logging.Formatter]) -> None:
    made = Log(kind("scheduler"))  # type: ignore[arg-type]
    row = "duplicate key value violates unique constraint\nDETAIL:  Key (email)=(anna@example.org) already exists."
    try:
        try:
            raise ValueError(row)
        except ValueError as cause:
            raise IntegrityError(
                "INSERT INTO users", {"email": "anna@example.org"}, cause, hide_parameters=True
            ) from cause
    except IntegrityError:
        made.log.exception("user %s, Authorization: Bearer %s", 3, "abcdefgh12345678")
    made.log.handlers = []
    told = made.out.getvalue()
    assert "anna@" not in told and "abcdefgh" not in told
    assert "IntegrityError" in told and "ValueError: duplicate key value" in told and "test_logs.py" in told


def test_a_message_has_an_end(text: Log) -> None:
    text.log.warning("x" * 100_000)
    assert len(text.lines[0]) < 2200


def test_the_same_error_is_written_once_and_counted(text: Log, clock: Clock) -> None:
    for _ in range(42):
        text.log.error("the database does not answer")
        clock.now += 1
    assert len(text.lines) == 1
    clock.now += 60
    text.log.error("the database does not answer")
    assert len(text.lines) == 3
    assert text.lines[1].endswith("repeated 41 times in 41 s, the last time: the database does not answer")


def test_without_folding_all_are_written(text: Log, clock: Clock) -> None:
    text.handler.window = 0
    for _ in range(42):
        text.log.error("the database does not answer")
    assert len(text.lines) == 42


def test_what_differs_in_numbers_is_alike_and_what_says_something_new_is_written_first(text: Log, clock: Clock) -> None:
    for number in range(100):
        text.log.warning(f"delivery {number} failed")
    text.log.warning("another fault")
    assert [line.rsplit("logs ", 1)[1] for line in text.lines] == [
        *(f"delivery {number} failed" for number in range(FIRST)),
        "another fault",
    ]


def test_what_is_no_fault_is_never_left_out(text: Log, clock: Clock) -> None:
    for _ in range(42):
        text.log.info("started")
    assert len(text.lines) == 42


def test_no_mixture_of_faults_writes_more_than_the_budget(text: Log, clock: Clock) -> None:
    for number in range(5000):
        text.log.warning("fault " + "".join(chr(97 + int(digit)) for digit in str(number)) + " " + "x" * 500)
    assert len(text.out.getvalue()) <= BUDGET
    shown = len(text.lines)
    clock.now += 61
    text.log.warning("a new one")
    assert len(text.out.getvalue()) <= 2 * BUDGET
    assert "warnings and errors of the last 60 s were left out; there were too many" in text.lines[shown]


def test_what_was_counted_is_told_although_nothing_follows(text: Log) -> None:
    told = threading.Event()
    write = text.out.write

    def written(line: str) -> int:
        if "repeated" in line:
            told.set()
        return write(line)

    text.out.write = written  # type: ignore[method-assign]
    text.handler.window = 0.05
    for _ in range(3):
        text.log.error("away")
    assert told.wait(10)
    assert text.lines[-1].endswith("repeated 2 times in 0 s, the last time: away")


def test_and_at_the_end_of_the_process(text: Log, clock: Clock) -> None:
    for _ in range(3):
        text.log.error("away")
    text.handler.close()
    assert "repeated 2 times" in text.lines[-1]


def test_the_environment_shapes_it_from_the_first_line_on(monkeypatch: pytest.MonkeyPatch) -> None:
    out, root = io.StringIO(), logging.getLogger()
    before = (list(root.handlers), root.level)
    monkeypatch.setenv("POSTPROBER_LOG_FORMAT", "json")
    try:
        log_redaction.to_stream("sidecar", out)
        logging.getLogger("postprober.x").info("begun")
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
    assert json.loads(out.getvalue())["message"] == "begun"


def test_settings_shape_it() -> None:
    out, root = io.StringIO(), logging.getLogger()
    before = (list(root.handlers), root.level)
    try:
        log_redaction.to_stream("sidecar", out)
        log_redaction.shape("json", 0)
        logging.getLogger("postprober.x").warning("one")
        logging.getLogger("postprober.x").warning("one")
        logging.getLogger("alembic.runtime").info("of no interest")
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
    assert [json.loads(line)["process"] for line in out.getvalue().splitlines()] == ["sidecar", "sidecar"]
