"""`python docs/make_architecture.py`: draw the picture in architecture.md anew, from the import contracts in pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "architecture.md"
BLOCK = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def picture() -> str:
    """A Mermaid chart: one box a layer, top to bottom; nothing imports upwards, and what stands in one box does not import
    each other."""
    contracts = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers" and "containers" not in one)
    boxes = [" · ".join(name.strip().removeprefix("postprober.") for name in layer.split("|")) for layer in layers]
    inner = {
        container.removeprefix("postprober."): one["layers"]
        for one in contracts
        if one["type"] == "layers"
        for container in one.get("containers", ())
    }
    lines = ["flowchart TD"]
    lines += [f'    L{number}["{text}"]' for number, text in enumerate(boxes)]
    lines += [f"    L{number} --> L{number + 1}" for number in range(len(boxes) - 1)]
    for folder, layers in sorted(inner.items()):
        lines.append(f'    subgraph {folder}["inside {folder}"]')
        names = [layer.replace(" | ", " · ") for layer in layers]
        lines += [f'        {folder}{number}["{text}"]' for number, text in enumerate(names)]
        lines += [f"        {folder}{number} --> {folder}{number + 1}" for number in range(len(names) - 1)]
        lines.append("    end")
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    page = PAGE.read_text()
    PAGE.write_text(BLOCK.sub(lambda _: picture(), page, count=1))
