"""Start times of viewers' days and of hours, of which quantiles are made."""

import sqlalchemy as sa
from alembic import op

revision = "experiments0006"
down_revision = "experiments0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiments_starts",
        sa.Column("profile_id", sa.String(26), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_ms", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("plays", sa.Integer, nullable=False),
    )
    op.create_table(
        "experiments_hour_starts",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("synthetic", sa.Boolean, primary_key=True),
        sa.Column("start_ms", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("plays", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for name in ("hour_starts", "starts"):
        op.drop_table(f"experiments_{name}")
