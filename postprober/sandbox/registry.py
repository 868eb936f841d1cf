"""The platforms that are emulated: ours, and those of installed packages (entry points `postprober.emulators`)."""

import logging
from importlib.metadata import entry_points

from postprober.sandbox import bluesky, discord, instagram, linkedin, mastodon, nostr, telegram, wordpress, x
from postprober.sandbox.engine.emulator import Emulator, register

log = logging.getLogger("postprober.sandbox")
PACKAGES = "postprober.emulators"  # the group of entry points
OURS = (x, linkedin, instagram, mastodon, bluesky, telegram, discord, nostr, wordpress)

for _one in OURS:
    register(_one.EMULATOR)
for _entry in sorted(entry_points(group=PACKAGES), key=lambda one: one.name):
    try:
        _found = _entry.load()
        if not isinstance(_found, Emulator):
            raise TypeError(f"{_entry.value} is no Emulator")
        register(_found)
    except Exception:
        log.exception("the emulator %s of an installed package cannot be used", _entry.name)
