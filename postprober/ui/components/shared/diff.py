"""Two texts side by side, word by word: what goes, what comes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from postprober.ui.words import safe

_PIECES = re.compile(r"\s+|[^\s]+")
LONGEST = 6000  # characters compared; what is longer is shown whole and unmarked
BREAK = "\n\n· · ·\n\n"  # between the parts of a thread


def texts_html(before: Sequence[str], after: Sequence[str]) -> str:
    """All parts of both, marked, in two columns."""
    if sum(map(len, before)) + sum(map(len, after)) > LONGEST:
        left, right = (["".join(f"<p>{safe(text)}</p>" for text in texts)] for texts in (before, after))
    else:
        left, right = _marked(BREAK.join(before), BREAK.join(after))
    return (
        f'<div class="pp-diff"><div><b>Before</b><div>{"".join(left)}</div></div>'
        f"<div><b>After</b><div>{''.join(right)}</div></div></div>"
    )


def _marked(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = _PIECES.findall(before), _PIECES.findall(after)
    left: list[str] = []
    right: list[str] = []
    for tag, a1, a2, b1, b2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        was, now = safe("".join(old[a1:a2])), safe("".join(new[b1:b2]))
        if tag == "equal":
            left.append(was)
            right.append(now)
            continue
        if was:
            left.append(f"<del>{was}</del>")
        if now:
            right.append(f"<ins>{now}</ins>")
    return left, right
