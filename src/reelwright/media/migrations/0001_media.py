"""Assets."""

import sqlalchemy as sa
from alembic import op

revision = "media0001"
down_revision = None
branch_labels = ("media",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media_assets",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("playable_id", sa.String(26), nullable=False, index=True),
        sa.Column("source_path", sa.Text, nullable=False),
        sa.Column("source_name", sa.Text, nullable=False),
        sa.Column("subtitles", sa.JSON, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("percent", sa.Float, nullable=False),
        sa.Column("speed", sa.Float),
        sa.Column("eta_s", sa.Float),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False, index=True),
    )


def downgrade() -> None:
    op.drop_table("media_assets")
