"""Tables as files: a spreadsheet takes a moment for a moment, and the file says on whose clock."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

from postprober.analytics.figures import Figures


def _rows(found: Figures) -> list[list[str]]:
    return list(csv.reader(io.StringIO(found.csv().decode("utf-8-sig"))))


def test_moments_and_days_are_written_on_the_clock_that_the_last_column_names() -> None:
    rows = [
        (date(2027, 3, 2), datetime(2027, 3, 2, 8, 5, 9, 5000, tzinfo=UTC), datetime(2027, 3, 2, 9)),
        (None, None, None),
    ]
    assert _rows(Figures(("day", "at", "local"), rows, "Europe/Berlin")) == [
        ["day", "at", "local", "time_zone"],
        ["2027-03-02", "2027-03-02 09:05:09", "2027-03-02 09:00:00", "Europe/Berlin"],
        ["", "", "", "Europe/Berlin"],
    ]


def test_a_table_without_times_has_no_such_column() -> None:
    assert _rows(Figures(("n", "text"), [(1, "=1+1"), (None, "")], "Europe/Berlin")) == [
        ["n", "text"],
        ["1", "'=1+1"],
        ["", ""],
    ]
