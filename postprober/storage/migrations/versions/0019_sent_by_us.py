"""of a known post, whether it was surely sent by us

Revision: 0019, follows 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# As they stood when this was written; later migrations may change the real ones.
_remote_posts = sa.table("remote_posts", sa.column("delivery_id", sa.BigInteger), sa.column("sent_by_us", sa.Boolean))
_evidence = sa.table("evidence", sa.column("delivery_id", sa.BigInteger), sa.column("kind", sa.String))


def upgrade() -> None:
    op.add_column(
        "remote_posts", sa.Column("sent_by_us", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    # Whatever was found instead of answered left this kind of evidence; how it was found is not written there.
    found = sa.select(_evidence.c.delivery_id).where(_evidence.c.kind.in_(["found", "late_reply"]))
    op.get_bind().execute(
        _remote_posts.update().where(_remote_posts.c.delivery_id.not_in(found)).values(sent_by_us=True)
    )


def downgrade() -> None:
    op.drop_column("remote_posts", "sent_by_us")
