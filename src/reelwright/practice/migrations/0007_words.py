"""Whether a challenge was put, or tried to be put, in words that take up the answer."""

import sqlalchemy as sa
from alembic import op

revision = "practice0007"
down_revision = "practice0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("practice_turns", sa.Column("worded", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("practice_turns", "worded")
