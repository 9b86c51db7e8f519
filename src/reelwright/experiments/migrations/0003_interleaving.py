"""What interleaved pages showed, and the titles that were played from them."""

import sqlalchemy as sa
from alembic import op

revision = "experiments0003"
down_revision = "experiments0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiments_pages",
        sa.Column("experiment", sa.String(100), primary_key=True),
        sa.Column("profile_id", sa.String(26), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("picks", sa.Text, nullable=False),
    )
    op.create_table(
        "experiments_credits",
        sa.Column("experiment", sa.String(100), primary_key=True),
        sa.Column("profile_id", sa.String(26), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("title_id", sa.String(26), primary_key=True),
        sa.Column("cell", sa.String(100), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("experiments_credits")
    op.drop_table("experiments_pages")
