"""`python -m postprober.api`: the sidecar."""

from __future__ import annotations

import logging
from typing import Any

import uvicorn

from postprober.api.app import create_app
from postprober.api.rollout import GRACE, Server
from postprober.security import log_redaction
from postprober.settings import load_settings
from postprober.wiring import build_core, calm_garbage_collector, close_core

# A ping goes through proxies before they end a silent connection (nginx after 60 s); with 5,000 clients pings every 20 s
# were a seventh of the work. An unused connection must stay open longer than a proxy keeps it (Caddy: 2 minutes,
# https://caddyserver.com/docs/caddyfile/directives/reverse_proxy#http, keepalive), or a request meets one that we have just
# closed: after uvicorn's 5 s, posts that were sent again with a key, and for others an error. No compression: 140 kB instead of 33 kB a connection. No proxy headers: uvicorn would believe whoever connects from
# this machine; `proxies.client_address` reads them.
SERVER: dict[str, Any] = {
    "log_config": None,
    "log_level": "warning",
    "ws": "websockets-sansio",
    "ws_per_message_deflate": False,
    "ws_max_size": 64 * 1024,
    "ws_ping_interval": 45.0,
    "ws_ping_timeout": 20.0,
    "timeout_keep_alive": 150,
    "proxy_headers": False,
    "server_header": False,
}


def not_a_refusal(record: logging.LogRecord) -> bool:
    """uvicorn takes every WebSocket that was refused with an answer of ours for a program error and says so."""
    return "without completing handshake" not in record.getMessage()


def main() -> None:
    """Serve until a signal comes."""
    log_redaction.to_stream("sidecar")
    logging.getLogger("uvicorn.error").addFilter(not_a_refusal)
    settings = load_settings()
    core = build_core(settings)
    app = create_app(core)
    calm_garbage_collector()
    config = uvicorn.Config(
        app, host=settings.api_host, port=settings.api_port, timeout_graceful_shutdown=GRACE, **SERVER
    )
    Server(config, app, settings.drain_seconds).run()
    close_core(core)


if __name__ == "__main__":
    main()
