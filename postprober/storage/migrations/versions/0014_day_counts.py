"""what each post had at 24 hours, kept beside its samples

Filled from the samples that still lie in the table; those of older posts are in files by now, and the posts that are
compared with are counted anew from here.

Revision: 0014, follows 0013
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id, UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

COUNTS = ("likes", "reposts", "replies", "quotes", "bookmarks", "views")
DAY = timedelta(hours=24)


def upgrade() -> None:
    made = op.create_table(
        "day_counts",
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        *(sa.Column(name, Id, nullable=True) for name in COUNTS),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_day_counts_delivery_id"),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_day_counts"),
    )
    samples = sa.table(
        "samples", sa.column("delivery_id", Id), sa.column("at", UtcDateTime()), *(sa.column(n, Id) for n in COUNTS)
    )
    deliveries = sa.table("deliveries", sa.column("id", Id), sa.column("published_at", UtcDateTime()))
    query = sa.select(deliveries.c.published_at, samples).join(samples, samples.c.delivery_id == deliveries.c.id)
    best: dict[int, tuple[timedelta, dict[str, object]]] = {}
    for row in op.get_bind().execute(query.where(deliveries.c.published_at.is_not(None))):
        off = abs(row.at - row.published_at - DAY)
        if off <= DAY / 10 and (row.delivery_id not in best or off < best[row.delivery_id][0]):
            kept = {name: getattr(row, name) for name in COUNTS}
            best[row.delivery_id] = (off, {"delivery_id": row.delivery_id, "at": row.at, **kept})
    rows = [values for _, values in best.values()]
    for start in range(0, len(rows), 500):
        op.bulk_insert(made, rows[start : start + 500])


def downgrade() -> None:
    op.drop_table("day_counts")
