"""`python -m postprober.api`: the sidecar."""

from __future__ import annotations

import logging

import uvicorn

from postprober.api.app import create_app
from postprober.settings import load_settings
from postprober.wiring import build_core, close_core


def main() -> None:
    """Serve until a signal comes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings()
    core = build_core(settings)
    uvicorn.run(
        create_app(core),
        host="127.0.0.1",
        port=settings.api_port,
        log_level="warning",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
    close_core(core)


if __name__ == "__main__":
    main()
