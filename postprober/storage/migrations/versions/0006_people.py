"""people of a space, second factor

Revision: 0006, follows 0005

Older processes: write no `owner_id`, so the foreign key never concerns them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from postprober.storage.types import Id

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain ADD COLUMN: rebuilding the table, as batch mode would, needs every reference to it switched off. SQLite
    # cannot add a foreign key by name to a table that exists; inside ADD COLUMN it can.
    if op.get_bind().dialect.name == "sqlite":
        op.execute("ALTER TABLE users ADD COLUMN owner_id INTEGER CONSTRAINT fk_users_owner_id REFERENCES users (id)")
    else:
        op.add_column("users", sa.Column("owner_id", Id, nullable=True))
        op.create_foreign_key("fk_users_owner_id", "users", "users", ["owner_id"], ["id"])
    op.add_column("users", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("totp_last", Id, server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("totp_last")
        batch_op.drop_column("totp_secret")
        batch_op.drop_constraint("fk_users_owner_id", type_="foreignkey")
        batch_op.drop_column("owner_id")
