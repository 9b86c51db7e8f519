"""How metrics vary from viewer to viewer before any test: what sizes of tests are planned by."""

import sqlalchemy as sa
from alembic import op

revision = "experiments0007"
down_revision = "experiments0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiments_baselines",
        sa.Column("metric", sa.String(100), primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("viewers", sa.Integer, nullable=False),
        sa.Column("level", sa.Float, nullable=False),
        sa.Column("deviation", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("experiments_baselines")
