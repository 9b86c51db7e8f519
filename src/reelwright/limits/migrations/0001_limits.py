"""What limits did, by minute and process."""

import sqlalchemy as sa
from alembic import op

revision = "limits0001"
down_revision = None
branch_labels = ("limits",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "limits_minutes",
        sa.Column("minute", sa.BigInteger, nullable=False),
        sa.Column("process", sa.String(32), nullable=False),
        sa.Column("seen", sa.LargeBinary, nullable=False),
        sa.Column("traffic", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("minute", "process"),
    )


def downgrade() -> None:
    op.drop_table("limits_minutes")
