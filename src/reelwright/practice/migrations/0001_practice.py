"""Interviews and their turns."""

import sqlalchemy as sa
from alembic import op

revision = "practice0001"
down_revision = None
branch_labels = ("practice",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practice_interviews",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("person", sa.String(40), nullable=False, index=True),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("track", sa.Text, nullable=False),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("elapsed_ms", sa.BigInteger, nullable=False),
        sa.Column("running_since_ms", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "practice_turns",
        sa.Column("interview_id", sa.String(26), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("question_id", sa.Text, nullable=False),
        sa.Column("challenge_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("asks", sa.Text, nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("verdicts", sa.JSON, nullable=False),
        sa.Column("answered_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("practice_turns")
    op.drop_table("practice_interviews")
