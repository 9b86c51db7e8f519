"""Pieces: what the steps of an encode have published."""

import sqlalchemy as sa
from alembic import op

revision = "media0002"
down_revision = "media0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media_pieces",
        sa.Column("asset_id", sa.String(26), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("track", sa.String(40), primary_key=True),
        sa.Column("start", sa.Integer, primary_key=True),
        sa.Column("piece", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("media_pieces")
