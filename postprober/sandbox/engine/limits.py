"""Rate-limit headers, right and wrong, and the counters behind them."""

from email.utils import formatdate

from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.timefmt import iso

_TEN_YEARS = 10 * 365 * 86400.0


def refusal_headers(fault: Fault, now: float, native: str, style: str) -> dict[str, str]:
    """Headers of a 429 as `params.form` wants them.

    `native` is the platform's own reset header ("" when it has none) and `style`
    (epoch | iso) how it writes times there. Without a native header a reset
    time is written into Retry-After.
    """
    form = str(fault.params.get("form", "platform"))
    seconds = fault.seconds(60)
    if form == "missing":
        return {}
    if form == "seconds":
        return {"retry-after": str(max(0, round(seconds)))}
    if form == "date":
        return {"retry-after": formatdate(now + seconds, usegmt=True)}
    if form == "platform" and not native:
        return {}
    at = {"past": now - seconds, "ten_years": now + _TEN_YEARS}.get(form, now + seconds)
    style = form if form in ("epoch", "iso") else style if native else "date"
    written = {"iso": iso(at), "date": formatdate(at, usegmt=True)}.get(style, str(int(at)))
    return {native or "retry-after": written}


class Counter:
    """Requests left in fixed windows, per key. It only counts: the sandbox refuses by faults alone."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[float, int]] = {}

    def use(self, key: str, limit: int, window: float, now: float) -> tuple[int, float]:
        """Count one request in a window of so many seconds; returns what is left (never below 1) and when the window ends
        (epoch seconds)."""
        start, used = self._used.get(key, (now, 0))
        if now >= start + window:
            start, used = now, 0
        self._used[key] = (start, used + 1)
        return max(1, limit - used - 1), start + window
