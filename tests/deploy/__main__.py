"""`python -m tests.deploy --tools .venv-attack/bin`: exit code 0 when every linter is content with deploy/ and refuses a
spoiled copy of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.deploy.checks import CHECKS, ROOT, Missing, spoiled


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument(
        "--tools", type=Path, required=True, help="the folder of yamllint, check-jsonschema and the others"
    )
    tools = asked.parse_args().tools.resolve()
    wrong = 0
    for check in CHECKS:
        try:
            found = check.run(ROOT / "deploy", tools)
            found += [f"control: {line}" for line in spoiled(check, tools)]
        except Missing as error:
            found = [str(error)]
        for line in found:
            print(f"{check.name}: {line}")
        print(f"{check.name}: {len(found)} findings; {len(check.spoil)} spoiled copies tried", flush=True)
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
