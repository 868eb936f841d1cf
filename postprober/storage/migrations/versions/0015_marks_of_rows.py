"""marks of imported rows by what they said, queue slots by person, frames and codec of files

Revision: 0015, follows 0014. Until now a row of a CSV file was known by the hash of the whole file, and everybody in a
space shared the owner's slots.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, Json, UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_OLD = re.compile(r"import:[0-9a-f]{16}:\d+")
_preferences = sa.table("preferences", sa.column("user_id", Id), sa.column("name", sa.String), sa.column("value", Json))
_posts = sa.table(
    "posts",
    sa.column("id", Id),
    sa.column("content", sa.Text),
    sa.column("options", Json),
    sa.column("scheduled_at", UtcDateTime),
)
_users = sa.table("users", sa.column("id", Id), sa.column("owner_id", Id))


def upgrade() -> None:
    op.add_column("media", sa.Column("frames", sa.Integer()))
    op.add_column("media", sa.Column("codec", sa.String(20), nullable=False, server_default=""))
    conn = op.get_bind()
    rows = conn.execute(sa.select(_preferences)).all()
    taken = {(row.user_id, row.name) for row in rows}
    for row in rows:
        if _OLD.fullmatch(row.name) and isinstance(row.value, int):
            _mark_again(conn, row, taken)
    slots = {row.user_id: row.value for row in rows if row.name == "queue"}
    for user in conn.execute(sa.select(_users).where(_users.c.owner_id.is_not(None))):
        if user.owner_id in slots and (user.id, "queue") not in taken:
            _put(conn, user.id, "queue", slots[user.owner_id])


def downgrade() -> None:
    """The marks and slots that were added harm nobody."""
    op.drop_column("media", "codec")
    op.drop_column("media", "frames")


def _mark_again(conn: sa.Connection, row: Any, taken: set[tuple[int, str]]) -> None:
    """The old mark stays: it also knows rows whose post was moved since."""
    post = conn.execute(sa.select(_posts).where(_posts.c.id == row.value)).one_or_none()
    if post is None:
        return
    told = post.options or {}
    text = re.sub(r"\r\n?", "\n", (told.get("parts") or [post.content])[0])
    at = post.scheduled_at.isoformat() if post.scheduled_at else ""
    for account in told.get("accounts", ()):
        name = "import:" + hashlib.sha256(json.dumps([text, account, at]).encode()).hexdigest()[:24] + ":1"
        if (row.user_id, name) not in taken:
            taken.add((row.user_id, name))
            _put(conn, row.user_id, name, row.value)


def _put(conn: sa.Connection, user_id: int, name: str, value: Any) -> None:
    conn.execute(sa.insert(_preferences).values(user_id=user_id, name=name, value=value))
