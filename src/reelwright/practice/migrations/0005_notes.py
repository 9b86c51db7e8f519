"""Documents of a person: stories, projects, offers, plan, cards, question packs."""

import sqlalchemy as sa
from alembic import op

revision = "practice0005"
down_revision = "practice0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practice_notes",
        sa.Column("person", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("sample", sa.Boolean, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("practice_notes")
