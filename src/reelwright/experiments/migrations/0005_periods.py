"""Hours as units of experiments, what was watched in each, and whether the platform's own tests are calibrated."""

import sqlalchemy as sa
from alembic import op

revision = "experiments0005"
down_revision = "experiments0004"
branch_labels = None
depends_on = None

SUMS = ("watch_s", "views", "plays", "starts", "start_ms", "stalls", "stall_ms", "errors", "thumbs_up")


def upgrade() -> None:
    op.create_table(
        "experiments_periods",
        sa.Column("experiment", sa.String(100), primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("synthetic", sa.Boolean, primary_key=True),
        sa.Column("cell", sa.String(100), nullable=False),
    )
    op.create_table(
        "experiments_hours",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("synthetic", sa.Boolean, primary_key=True),
        *(sa.Column(name, sa.Float, nullable=False) for name in SUMS),
    )
    op.create_table(
        "experiments_calibrations",
        sa.Column("metric", sa.String(100), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("viewers", sa.Integer, nullable=False),
        sa.Column("draws", sa.Integer, nullable=False),
        sa.Column("called", sa.Float, nullable=False),
        sa.Column("p", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for name in ("calibrations", "hours", "periods"):
        op.drop_table(f"experiments_{name}")
