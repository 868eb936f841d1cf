"""`python docs/make_platforms.py`: write the tables in platforms.md anew, from what the platforms' folders declare."""

from __future__ import annotations

import re
from pathlib import Path

from postprober.domain.options import OptionField, fields_of
from postprober.domain.platform import NAMES
from postprober.platforms.common.spec import PlatformSpec
from postprober.platforms.registry import OURS

PAGE = Path(__file__).resolve().parent / "platforms.md"
SERVERS = re.compile(r"\| server \|.*?\n(?=\n)", re.DOTALL)
BLOCK = re.compile(r"\| form \|.*?\n(?=\n)", re.DOTALL)
_ALBUMS = (4, 10, 20)


def table() -> str:
    """Forms down, platforms across."""
    specs = [one.SPEC for one in OURS]
    rows: dict[str, list[str]] = {}
    for spec in specs:
        cells = _media(spec) | {one.form: _option(one) for one in fields_of(spec.about.options) if one.form}
        cells |= dict.fromkeys(spec.about.not_yet, "not yet")
        for form, cell in cells.items():
            rows.setdefault(form, ["no"] * len(specs))[specs.index(spec)] = cell
    lines = ["| form | " + " | ".join(NAMES[spec.platform] for spec in specs) + " |", "|---" * (len(specs) + 1) + "|"]
    first = list(_media(specs[0]))
    order = first + sorted(form for form in rows if form not in first)
    return "\n".join([*lines, *(f"| {form} | " + " | ".join(rows[form]) + " |" for form in order)]) + "\n"


def servers() -> str:
    """Servers of other software that an adapter speaks with, as its spec tells of them."""
    lines = ["| server | as | what works | what does not | what the proof reaches | known from |", "|---" * 6 + "|"]
    for spec in (one.SPEC for one in OURS):
        for note in spec.servers:
            cells = (note.title, NAMES[spec.platform], note.works, note.lacks, note.proof, note.known)
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _media(spec: PlatformSpec) -> dict[str, str]:
    limits = spec.limits
    told = {"text": "needs a picture or video" if limits.media_required else f"{limits.max_length:,}"}
    told["long text"] = "needs a subscription of the account" if limits.longer else "no"
    told["thread"] = "yes" if limits.threads else "no"
    told["1 picture"] = "yes"
    told |= {f"{most} pictures": "yes" if limits.images.max_count >= most else "no" for most in _ALBUMS}
    told["pictures and videos together"] = "yes" if limits.mixed else "no"
    told["moving GIF"] = "yes" if limits.gif else "as a video" if limits.video else "no"
    told["video"] = "yes" if limits.video else "no"
    told["document"] = "yes" if limits.document else "no"
    told["subtitles"] = "yes" if limits.subtitles else "no"
    told["mention by id"] = "yes" if spec.about.mention else "no"
    told["mention found by name"] = f"needs {spec.mentions.needs}" if spec.mentions else "no"
    told["link card"] = {"sent": "yes", "none": "no"}.get(spec.traits.cards, spec.traits.cards)
    return told


def _option(one: OptionField) -> str:
    return f"needs {one.needs}" if one.needs else "yes"


if __name__ == "__main__":
    page = PAGE.read_text()
    page = SERVERS.sub(lambda _: servers(), page, count=1)
    PAGE.write_text(BLOCK.sub(lambda _: table(), page, count=1))
