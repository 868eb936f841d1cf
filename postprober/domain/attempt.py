"""Intents and tries: what was about to happen, and what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Act(StrEnum):
    """What an attempt tried to do."""

    PUBLISH = "publish"
    STAGE = "stage"
    RECONCILE = "reconcile"
    REFRESH = "refresh"
    VERIFY = "verify"
    ENGAGEMENT = "engagement"


class Outcome(StrEnum):
    """What became of it. `intended`: written before the act and never closed, so the worker was lost."""

    INTENDED = "intended"
    SUCCESS = "success"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    RECONNECT = "reconnect"
    ABANDONED = "abandoned"  # lease lost before the first byte
    FOUND = "found"
    ABSENT = "absent"
    UNSURE = "unsure"
    LATE = "late"  # the reply came after the fence had moved


def payload_hash(
    text: str,
    media_hashes: Sequence[str],
    parent: str,
    options: Mapping[str, Any] = MappingProxyType({}),
    card: Mapping[str, Any] | None = None,
) -> str:
    """SHA-256 (hex) over everything that makes the part what it is. Without options and `card` (of its link, as JSON) it is
    as it was before there were any."""
    told = [
        text,
        list(media_hashes),
        parent,
        *([dict(options)] if options else []),
        *([{"card": card}] if card else []),
    ]
    canonical = json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
