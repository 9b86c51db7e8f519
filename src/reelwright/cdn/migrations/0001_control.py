"""Edges, orders to purge, what players say, decisions, misses, plans to fill."""

import sqlalchemy as sa
from alembic import op

revision = "cdn0001"
down_revision = None
branch_labels = ("cdn",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cdn_edges",
        sa.Column("name", sa.String(48), primary_key=True),
        sa.Column("boot", sa.String(32), nullable=False),
        sa.Column("told", sa.JSON, nullable=False),
        sa.Column("inventory", sa.JSON, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.Column("registered_ms", sa.BigInteger, nullable=False),
        sa.Column("drained", sa.Boolean, nullable=False),
        sa.Column("price", sa.Float, nullable=False),
    )
    op.create_table(
        "cdn_purges",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("order", sa.JSON, nullable=False),
    )
    op.create_table(
        "cdn_signals",
        sa.Column("edge", sa.String(48), primary_key=True),
        sa.Column("viewer", sa.String(64), primary_key=True),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "cdn_decisions",
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("session_id", sa.String(64), nullable=False, index=True),
        sa.Column("region", sa.String(40), nullable=False),
        sa.Column("chosen", sa.String(48), nullable=False),
        sa.Column("nearest", sa.String(48), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("bps", sa.Float, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "cdn_misses",
        sa.Column("minute_ms", sa.BigInteger, primary_key=True),
        sa.Column("edge", sa.String(48), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "cdn_audit",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
    )
    op.create_table(
        "cdn_fills",
        sa.Column("edge", sa.String(48), primary_key=True),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("planned_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for name in ("fills", "audit", "misses", "decisions", "signals", "purges", "edges"):
        op.drop_table(f"cdn_{name}")
