"""Playback sessions."""

import sqlalchemy as sa
from alembic import op

revision = "playback0001"
down_revision = None
branch_labels = ("playback",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "playback_sessions",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("profile_id", sa.String(26), nullable=False),
        sa.Column("playable_id", sa.String(26), nullable=False),
        sa.Column("asset_id", sa.String(26), nullable=False),
        sa.Column("device", sa.JSON, nullable=False),
        sa.Column("viewer", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False, index=True),
    )


def downgrade() -> None:
    op.drop_table("playback_sessions")
