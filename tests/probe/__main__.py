"""The probe's campaign with its controls, and a hundred kills of the browser.

python -m tests.probe --healthy 10000 --ghosts 1000 --changed 1000 --kills 100
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from postprober.browser import Browser
from tests.browser.conftest import some_settings
from tests.browser.hosts import site_and_canary
from tests.browser.kills import kill_in_mid_visit
from tests.probe.campaign import Campaign


def kills(times: int) -> bool:
    """Kill the browser in the middle of as many visits."""
    with site_and_canary() as (site, _), tempfile.TemporaryDirectory() as folder:
        browser = Browser(some_settings(Path(folder)), lambda host, port: (host, port) == ("127.0.0.1", site.port))
        if browser.trouble():
            print(f"no kills: {browser.trouble()}")
            return False
        outcome = kill_in_mid_visit(browser, site, times)
        browser.close()
    print(f"kills in mid-visit: {outcome}")
    return outcome.killed == outcome.served_after == times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("healthy", 10000), ("ghosts", 1000), ("changed", 1000), ("kills", 100)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--flaky", type=float, default=0.15)
    asked = parser.parse_args()
    blind = Campaign(10, 10, 30, asked.flaky, quiet=True).run()
    print(f"control, nobody looks: {blind.ghosts_told + sum(blind.changes_told.values())} of 40 told")
    result = Campaign(asked.healthy, asked.ghosts, asked.changed, asked.flaky, seed=asked.seed).run()
    print("campaign:", asdict(result))
    print(f"control, every page believed at once: {result.naive} false alarms among {asked.healthy} healthy posts")
    blind_ok = not blind.ghosts_told and not blind.changes_told.get("delete") and result.naive > 0
    good = result.good and blind_ok and (kills(asked.kills) if asked.kills else True)
    print("good" if good else "NOT GOOD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
