"""The log of the app: Streamlit's loggers have handlers and a format of their own, which ours take the place of."""

from __future__ import annotations

import logging

from streamlit import logger as streamlit_loggers

from postprober.security import log_redaction


def take_over() -> None:
    """Call it once, in the process that serves the app."""
    log_redaction.to_stream("app")
    streamlit_loggers.setup_formatter = _ours
    streamlit_loggers.update_formatter()


def _ours(logger: logging.Logger) -> None:
    """In place of `streamlit.logger.setup_formatter`: the root logger alone writes what this one is told, uvicorn's too."""
    logger.handlers.clear()
    logger.propagate = True
    if logger.name == "uvicorn.access":  # it writes queries whole, and one in an address may be a secret
        logger.disabled = True
