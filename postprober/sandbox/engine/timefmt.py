"""Times on the wire."""

from datetime import UTC, datetime


def iso(at: float) -> str:
    """2026-11-22T12:00:00.123Z"""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> float | None:
    """Epoch seconds of an ISO 8601 time with an offset, or None."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo else None
