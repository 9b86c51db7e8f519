"""Plan: by which one the pieces of an encode were made, so that a retry can go on with them."""

import sqlalchemy as sa
from alembic import op

revision = "media0004"
down_revision = "media0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("media_assets", sa.Column("plan", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("media_assets", "plan")
