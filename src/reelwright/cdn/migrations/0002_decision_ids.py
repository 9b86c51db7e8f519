"""Decision ids: the event that each decision of steering became, which what edges serve then names."""

import sqlalchemy as sa
from alembic import op

revision = "cdn0002"
down_revision = "cdn0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cdn_decisions", sa.Column("decision_id", sa.String(26), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("cdn_decisions", "decision_id")
