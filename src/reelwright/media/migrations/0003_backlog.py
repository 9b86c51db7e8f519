"""Backlog: which encodes wait until those that somebody asked for are done."""

import sqlalchemy as sa
from alembic import op

revision = "media0003"
down_revision = "media0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("media_assets", sa.Column("backlog", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("media_assets", "backlog")
