"""Projections of the event log."""

import sqlalchemy as sa
from alembic import op

revision = "events0001"
down_revision = None
branch_labels = ("events",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events_offsets",
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "events_seen",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("received_ms", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "events_watched",
        sa.Column("profile_id", sa.String(26), nullable=False),
        sa.Column("playable_id", sa.String(26), nullable=False),
        sa.Column("title_id", sa.String(26), nullable=False),
        sa.Column("position_s", sa.Float, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("started_s", sa.Float, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "playable_id"),
    )
    op.create_table(
        "events_views",
        sa.Column("profile_id", sa.String(26), nullable=False),
        sa.Column("title_id", sa.String(26), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "title_id", "day"),
    )
    op.create_table(
        "events_thumbs",
        sa.Column("profile_id", sa.String(26), nullable=False),
        sa.Column("title_id", sa.String(26), nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "title_id"),
    )
    op.create_table(
        "events_saved",
        sa.Column("profile_id", sa.String(26), nullable=False),
        sa.Column("title_id", sa.String(26), nullable=False),
        sa.Column("saved", sa.Boolean, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("profile_id", "title_id"),
    )
    op.create_table(
        "events_ledger",
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("duplicate", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hour", "source", "synthetic"),
    )


def downgrade() -> None:
    op.drop_table("events_ledger")
    op.drop_table("events_saved")
    op.drop_table("events_thumbs")
    op.drop_table("events_views")
    op.drop_table("events_watched")
    op.drop_table("events_seen")
    op.drop_table("events_offsets")
