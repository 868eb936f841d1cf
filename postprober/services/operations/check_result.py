"""What one look at the installation found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """`message`: one sentence; where `ok` is false, with what to do about it."""

    name: str
    ok: bool
    message: str
