"""Loops, of which interviews are rounds, and drafts of answers."""

import sqlalchemy as sa
from alembic import op

revision = "practice0002"
down_revision = "practice0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practice_loops",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("person", sa.String(40), nullable=False, index=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("track", sa.Text, nullable=False),
        sa.Column("style", sa.Text, nullable=False),
        sa.Column("pace", sa.Text, nullable=False),
        sa.Column("rounds", sa.JSON, nullable=False),
        sa.Column("sample", sa.Boolean, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.add_column("practice_interviews", sa.Column("loop_id", sa.String(26), nullable=False, server_default=""))
    op.add_column("practice_interviews", sa.Column("sample", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("practice_interviews_loop", "practice_interviews", ["loop_id"])
    op.add_column("practice_turns", sa.Column("draft", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("practice_turns", "draft")
    op.drop_index("practice_interviews_loop", "practice_interviews")
    op.drop_column("practice_interviews", "sample")
    op.drop_column("practice_interviews", "loop_id")
    op.drop_table("practice_loops")
