"""Interviews that a company runs: panels, seats with hashed links, written answers, the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "practice0006"
down_revision = "practice0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practice_panels",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("owner", sa.String(40), nullable=False, index=True),
        sa.Column("setup", sa.JSON, nullable=False),
        sa.Column("sample", sa.Boolean, nullable=False),
        sa.Column("consent_ms", sa.BigInteger, nullable=False),
        sa.Column("finished_ms", sa.BigInteger, nullable=False),
        sa.Column("decision", sa.JSON),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("delete_ms", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "practice_seats",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("panel_id", sa.String(26), nullable=False, index=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("scorecard", sa.JSON),
    )
    op.create_table(
        "practice_written",
        sa.Column("panel_id", sa.String(26), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "practice_audit",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("owner", sa.String(40), nullable=False, index=True),
        sa.Column("panel_id", sa.String(26), nullable=False, index=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("did", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("practice_audit", "practice_written", "practice_seats", "practice_panels"):
        op.drop_table(name)
