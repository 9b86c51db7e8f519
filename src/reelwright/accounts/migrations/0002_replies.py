"""Answers kept under Idempotency-Keys."""

import sqlalchemy as sa
from alembic import op

revision = "accounts0002"
down_revision = "accounts0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts_replies",
        sa.Column("user_id", sa.String(26), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("signed_by", sa.String(16), nullable=False),
        sa.Column("signature", sa.String(32), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
    )


def downgrade() -> None:
    op.drop_table("accounts_replies")
