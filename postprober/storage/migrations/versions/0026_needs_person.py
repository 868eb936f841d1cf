"""a repair that only a person can do says so in its state

Revision: 0026, follows 0025

An older process that still runs writes `told`, which is read as the new word (`storage/repairs.py`).
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE repairs SET state = 'needs_person' WHERE state = 'told'")


def downgrade() -> None:
    op.execute("UPDATE repairs SET state = 'told' WHERE state = 'needs_person'")
