"""What experiments chose for a session, so that it stays as it began."""

import sqlalchemy as sa
from alembic import op

revision = "playback0002"
down_revision = "playback0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("playback_sessions", sa.Column("arms", sa.JSON, nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("playback_sessions", "arms")
