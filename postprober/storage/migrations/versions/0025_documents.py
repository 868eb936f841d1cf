"""how many pages a document has

Revision: 0025, follows 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("media", sa.Column("pages", sa.Integer()))


def downgrade() -> None:
    op.drop_column("media", "pages")
