"""Opinions of other graders, calibrations, and what calls cost."""

import sqlalchemy as sa
from alembic import op

revision = "practice0004"
down_revision = "practice0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practice_opinions",
        sa.Column("interview_id", sa.String(26), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("grader", sa.String(200), primary_key=True),
        sa.Column("person", sa.String(40), nullable=False, index=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("verdicts", sa.JSON, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "practice_calibrations",
        sa.Column("grader", sa.String(200), primary_key=True),
        sa.Column("found", sa.JSON, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "practice_spending",
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("grader", sa.String(200), primary_key=True),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("tokens_in", sa.BigInteger, nullable=False),
        sa.Column("tokens_out", sa.BigInteger, nullable=False),
        sa.Column("usd", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for name in ("practice_spending", "practice_calibrations", "practice_opinions"):
        op.drop_table(name)
