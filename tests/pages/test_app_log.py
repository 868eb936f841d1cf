"""Streamlit's and uvicorn's loggers write through ours, and nothing writes what stands in an address."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from streamlit import logger as streamlit_loggers

from postprober.security import log_redaction
from postprober.ui import app_log


@pytest.fixture
def taken_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root, out = logging.getLogger(), io.StringIO()
    before = (list(root.handlers), root.level)
    monkeypatch.setattr(streamlit_loggers, "_loggers", {})
    monkeypatch.setattr(streamlit_loggers, "setup_formatter", streamlit_loggers.setup_formatter)
    to_stream = log_redaction.to_stream
    monkeypatch.setattr(log_redaction, "to_stream", lambda process: to_stream(process, out))
    yield out
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name in ("uvicorn.access", "streamlit.test.before", "streamlit.test.after"):
        logger = logging.getLogger(name)
        logger.disabled, logger.propagate = False, True
        logger.handlers.clear()


def test_loggers_of_before_and_after_write_one_line_in_our_format(taken_over: io.StringIO) -> None:
    before = streamlit_loggers.get_logger("streamlit.test.before")
    app_log.take_over()
    before.warning("one\nforged")
    streamlit_loggers.get_logger("streamlit.test.after").warning("two")
    first, second = taken_over.getvalue().splitlines()
    assert first.endswith("WARNING app streamlit.test.before one\\nforged")
    assert second.endswith("WARNING app streamlit.test.after two")


def test_requests_of_the_app_are_not_written_with_their_queries(taken_over: io.StringIO) -> None:
    app_log.take_over()
    streamlit_loggers.get_logger("uvicorn.access").warning("GET /?ticket=secret")
    assert taken_over.getvalue() == ""
