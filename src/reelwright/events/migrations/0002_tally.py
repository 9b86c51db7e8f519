"""What devices say they sent, beside what came."""

import sqlalchemy as sa
from alembic import op

revision = "events0002"
down_revision = "events0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events_tally",
        sa.Column("profile_id", sa.String(26), nullable=False),
        sa.Column("sender", sa.String(26), nullable=False),
        sa.Column("hour", sa.Integer, nullable=False, index=True),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("told_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "sender", "hour"),
    )


def downgrade() -> None:
    op.drop_table("events_tally")
