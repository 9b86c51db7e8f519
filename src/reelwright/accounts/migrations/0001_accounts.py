"""Users, profiles, sessions, tokens and the set-up code."""

import sqlalchemy as sa
from alembic import op

revision = "accounts0001"
down_revision = None
branch_labels = ("accounts",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts_users",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("household_id", sa.String(26), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_key", sa.Text, nullable=False, unique=True),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "accounts_profiles",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("household_id", sa.String(26), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("avatar", sa.String(16), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("maturity_limit", sa.Integer, nullable=False),
        sa.Column("kids", sa.Boolean, nullable=False),
        sa.Column("pin", sa.Text, nullable=False),
        sa.Column("pin_failures", sa.Integer, nullable=False),
        sa.Column("pin_failed_ms", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "accounts_sessions",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.String(26), nullable=False, index=True),
        sa.Column("profile_id", sa.String(26)),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "accounts_tokens",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("user_id", sa.String(26), nullable=False, index=True),
        sa.Column("profile_id", sa.String(26)),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "accounts_setup",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("accounts_setup")
    op.drop_table("accounts_tokens")
    op.drop_table("accounts_sessions")
    op.drop_table("accounts_profiles")
    op.drop_table("accounts_users")
