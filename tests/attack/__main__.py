"""`python -m tests.attack --tools .venv-attack/bin [--only bandit,secrets]`: exit code 0 when nothing was found and
every control found what was put there for it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.attack import accounts, channels, door, planted, scanners, source, suites


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--tools", type=Path, required=True, help="the folder of bandit and semgrep")
    asked.add_argument("--only", default="", help="names with commas")
    options = asked.parse_args()
    tools = options.tools.resolve()
    attacks: dict[str, Callable[[], list[str]]] = {
        "bandit": lambda: source.bandit(tools),
        "semgrep": lambda: source.semgrep(tools),
        "secrets": planted.planted,
        "apprise": channels.apprise,
        "door": door.door,
        "accounts": accounts.accounts,
        "pages": suites.pages,
        "silent": suites.silent,
        "token": suites.token,
        "sqlmap": scanners.sqlmap,
        "wapiti": scanners.wapiti,
    }
    chosen = [name for name in options.only.split(",") if name] or list(attacks)
    wrong = 0
    for name in chosen:
        began = time.monotonic()
        found = attacks[name]()
        for line in found:
            print(f"{name}: {line}")
        print(f"{name}: {len(found)} findings in {time.monotonic() - began:.0f} s", flush=True)
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
