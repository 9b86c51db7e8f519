"""When a run of a lab was last waited for or worked on."""

import sqlalchemy as sa
from alembic import op

revision = "practice0008"
down_revision = "practice0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("practice_lab_runs", sa.Column("beat_ms", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("practice_lab_runs", "beat_ms")
