"""The one shape of a loop over rows: a row that fails is logged and put off, and never another row's trouble."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from postprober.errors import Conflict, PostProberError

T = TypeVar("T")
QUIET = 60.0  # seconds in which the same failure of the same loop is not logged again
_logged: dict[tuple[str, str], float] = {}  # monotonic time by loop and kind of failure; both are few


def each(
    rows: Iterable[T],
    work: Callable[[T], object],
    log: logging.Logger,
    what: str,
    later: Callable[[T, Exception], object] = lambda _row, _error: None,
) -> int:
    """Do `work` with each row; returns how many ended well (and not with False). `what`: a row's work in the log, such as
    "goal is judged". `later(row, error)` puts off a row that failed, so that it is not the first again at once; its
    query must not find it before. A Conflict means that somebody else was faster: the next round sees what became of it.
    Raises what the database raises when it is away or busy: then no row can be put off either."""
    done = 0
    for row in rows:
        try:  # nosemgrep: every-error-caught # logged whole
            done += work(row) is not False
            continue
        except Conflict:
            continue
        except (OperationalError, InterfaceError):
            raise
        except PostProberError as error:
            failed: Exception = error
            log.warning("%s later: %s %s", what, error, error.detail)
        except Exception as error:  # a mistake of ours, or a row of another release
            failed = error
            if _is_new(what, error):
                log.exception("%s later", what)
        _put_off(row, failed, later, log, what)
    return done


def _put_off(
    row: T, failed: Exception, later: Callable[[T, Exception], object], log: logging.Logger, what: str
) -> None:
    """Also what cannot be put off holds up no other row."""
    try:  # nosemgrep: every-error-caught # logged whole
        later(row, failed)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if _is_new(what, error):
            log.exception("%s: it could not be put off", what)


def _is_new(what: str, error: Exception) -> bool:
    key, now = (what, type(error).__name__), time.monotonic()
    if now - _logged.get(key, -QUIET) < QUIET:
        return False
    _logged[key] = now
    return True
