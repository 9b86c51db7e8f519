"""Every revision of the configuration, so that what was decided by it can be decided again."""

import sqlalchemy as sa
from alembic import op

revision = "experiments0004"
down_revision = "experiments0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiments_revisions",
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.execute(
        "INSERT INTO experiments_revisions (revision, document) "
        "SELECT revision, document FROM experiments_configuration"
    )


def downgrade() -> None:
    op.drop_table("experiments_revisions")
