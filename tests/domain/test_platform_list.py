"""The list of platforms is whole for whoever asks, at whatever moment."""

from __future__ import annotations

import subprocess
import sys

from postprober.platforms.registry import OURS

ASKS = """
import sys, threading
from postprober.domain.platform import known
found = []
threads = [threading.Thread(target=lambda: found.append(len(known()))) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(set(found)), "postprober.sandbox.registry" in sys.modules)
"""


def test_threads_that_ask_at_the_same_time_all_get_the_whole_list() -> None:
    """One of them imports the registry; the others must wait for the rest of it instead of missing platforms."""
    said = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [f"[{len(OURS)}]", "False"]
