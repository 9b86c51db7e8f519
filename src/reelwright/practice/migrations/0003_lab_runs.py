"""Runs of labs."""

import sqlalchemy as sa
from alembic import op

revision = "practice0003"
down_revision = "practice0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practice_lab_runs",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("person", sa.String(40), nullable=False, index=True),
        sa.Column("lab", sa.Text, nullable=False),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("predicted", sa.Float),
        sa.Column("log", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("practice_lab_runs")
