"""First exposures, viewers' days, and the daily statistics of experiments."""

import sqlalchemy as sa
from alembic import op

revision = "experiments0002"
down_revision = "experiments0001"
branch_labels = None
depends_on = None

SUMS = ("watch_s", "views", "plays", "starts", "start_ms", "stalls", "stall_ms", "errors", "thumbs_up")


def upgrade() -> None:
    op.create_table(
        "experiments_exposures",
        sa.Column("experiment", sa.String(100), primary_key=True),
        sa.Column("profile_id", sa.String(26), primary_key=True),
        sa.Column("cell", sa.String(100), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
    )
    op.create_table(
        "experiments_viewing",
        sa.Column("profile_id", sa.String(26), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Float, nullable=False) for name in SUMS),
    )
    op.create_table(
        "experiments_daily",
        sa.Column("experiment", sa.String(100), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sums", sa.Text, nullable=False),
    )
    op.create_table(
        "experiments_measured",
        sa.Column("experiment", sa.String(100), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    for name in ("measured", "daily", "viewing", "exposures"):
        op.drop_table(f"experiments_{name}")
