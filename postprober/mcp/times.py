"""Times as a model writes them: only with an offset or a zone, because a bare one would be read in the wrong one."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from postprober.errors import BadInput
from postprober.services.posts.times import parse_time

_ZONED = re.compile(r"^(\S{10,40}(?: \S{1,15})?) ([A-Za-z]+(?:/[A-Za-z0-9_+-]+){0,2})$")


def moment(text: str, now: datetime, zone: str) -> str:
    """`text` as ISO 8601 in UTC. `zone`: of the person for whom it is written, named in what is refused. Raises BadInput."""
    found = _ZONED.fullmatch(text.strip())
    if found and found[2] in available_timezones():
        return parse_time(found[1], now, found[2]).isoformat()
    try:
        return parse_time(text.strip(), now).isoformat()
    except BadInput as error:
        if "no time zone" not in error.message:
            raise
    local = now.astimezone(ZoneInfo(zone))
    raise BadInput(
        f"Say in which zone {text.strip()[:40]!r} is: add an offset ({local:%z}) or a zone. The person is in {zone}; "
        f"for them it is {local:%A, %Y-%m-%d %H:%M} now.",
        field="at",
    )


def spoken(when: dict[str, str] | None) -> str:
    """A moment of the API as a person reads it."""
    if when is None:
        return "at once"
    local = datetime.fromisoformat(when["local"])
    return f"{when['weekday']}, {local:%Y-%m-%d %H:%M} ({when['zone']}), {when['utc']}"
