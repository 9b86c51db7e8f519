"""Erasures that were asked for, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "lake0001"
down_revision = None
branch_labels = ("lake",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lake_erasures",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("subject", sa.String(26)),
        sa.Column("asked_ms", sa.BigInteger, nullable=False),
        sa.Column("done_ms", sa.BigInteger),
        sa.Column("says", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("lake_erasures")
