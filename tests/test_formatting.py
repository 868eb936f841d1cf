"""The formatter has the code; what keeps a form of its own is a table that says why."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("postprober", "pages", "bench", "tests", "docs")
MARK = "fmt: skip"
MOST = 20


def _marks(path: Path) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return [
        f"{path.relative_to(ROOT)}:{t.start[0]} {t.string}"
        for t in tokens
        if t.type == tokenize.COMMENT and MARK in t.string
    ]


def test_what_the_formatter_leaves_alone_is_a_handful_of_tables_that_say_why() -> None:
    files = [ROOT / "app.py", ROOT / "scheduler.py", *(p for name in FOLDERS for p in (ROOT / name).rglob("*.py"))]
    found = [mark for path in files for mark in _marks(path)]
    assert len(found) <= MOST
    assert [mark for mark in found if f"# {MARK}  # table: " not in mark] == []
