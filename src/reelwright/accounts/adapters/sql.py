"""Tables of accounts, and the statements on them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reelwright.accounts.contract import Profile, User
from reelwright.kernel.database import row_dict
from reelwright.kernel.ids import ProfileId, UserId

METADATA = sa.MetaData()


def _table(name: str, *columns: Any) -> sa.Table:
    return sa.Table(f"accounts_{name}", METADATA, *columns)


USERS = _table(
    "users",
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("household_id", sa.String(26), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False, unique=True),
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)
PROFILES = _table(
    "profiles",
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
SESSIONS = _table(
    "sessions",
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(26), nullable=False, index=True),
    sa.Column("profile_id", sa.String(26)),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)
TOKENS = _table(
    "tokens",
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("user_id", sa.String(26), nullable=False, index=True),
    sa.Column("profile_id", sa.String(26)),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
)
SETUP = _table(
    "setup",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("code_hash", sa.String(64), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("expires_ms", sa.BigInteger, nullable=False),
)

REPLIES = _table(
    "replies",
    sa.Column("user_id", sa.String(26), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("signed_by", sa.String(16), nullable=False),
    sa.Column("signature", sa.String(32), nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("status", sa.Integer),
    sa.Column("headers", sa.Text),
    sa.Column("body", sa.LargeBinary),
)


def insert(connection: sa.Connection, table: sa.Table, /, **values: Any) -> None:
    """Insert a row."""
    connection.execute(table.insert().values(**values))


def find(connection: sa.Connection, table: sa.Table, /, **keys: Any) -> dict[str, Any] | None:
    """The row with these keys."""
    row = connection.execute(sa.select(table).where(*(table.c[key] == value for key, value in keys.items()))).first()
    return row_dict(row) if row else None


def list_rows(connection: sa.Connection, table: sa.Table, /, **keys: Any) -> list[dict[str, Any]]:
    """The rows with these keys, oldest first."""
    query = sa.select(table).where(*(table.c[key] == value for key, value in keys.items()))
    return [row_dict(row) for row in connection.execute(query.order_by(table.c.created_ms))]


def update(connection: sa.Connection, table: sa.Table, where: dict[str, Any], /, **values: Any) -> int:
    """Change rows; returns how many."""
    query = table.update().where(*(table.c[key] == value for key, value in where.items()))
    return connection.execute(query.values(**values)).rowcount


def delete(connection: sa.Connection, table: sa.Table, /, **keys: Any) -> int:
    """Delete rows; returns how many."""
    return connection.execute(table.delete().where(*(table.c[key] == value for key, value in keys.items()))).rowcount


def count_users(connection: sa.Connection) -> int:
    """How many users there are."""
    return connection.scalar(sa.select(sa.func.count()).select_from(USERS)) or 0


def count_admins(connection: sa.Connection) -> int:
    """How many administrators can sign in."""
    query = sa.select(sa.func.count()).where(USERS.c.role == "admin", USERS.c.disabled.is_(False))
    return connection.scalar(query) or 0


def session_with_user(connection: sa.Connection, digest: str) -> dict[str, Any] | None:
    """A session with its user and profile."""
    query = (
        sa.select(
            SESSIONS, USERS.c.role, USERS.c.disabled, USERS.c.household_id, PROFILES.c.maturity_limit, PROFILES.c.kids
        )
        .join(USERS, USERS.c.id == SESSIONS.c.user_id)
        .outerjoin(PROFILES, PROFILES.c.id == SESSIONS.c.profile_id)
        .where(SESSIONS.c.hash == digest)
    )
    row = connection.execute(query).first()
    return row_dict(row) if row else None


def token_with_user(connection: sa.Connection, digest: str) -> dict[str, Any] | None:
    """A token with its user and profile."""
    query = (
        sa.select(TOKENS, USERS.c.role, USERS.c.disabled, PROFILES.c.maturity_limit, PROFILES.c.kids)
        .join(USERS, USERS.c.id == TOKENS.c.user_id)
        .outerjoin(PROFILES, PROFILES.c.id == TOKENS.c.profile_id)
        .where(TOKENS.c.hash == digest)
    )
    row = connection.execute(query).first()
    return row_dict(row) if row else None


def user_of(row: dict[str, Any]) -> User:
    """A row as a user."""
    return User(
        id=UserId(row["id"]),
        household_id=row["household_id"],
        name=row["name"],
        role=row["role"],
        created_ms=row["created_ms"],
        disabled=row["disabled"],
    )


def profile_of(row: dict[str, Any]) -> Profile:
    """A row as a profile."""
    return Profile(
        id=ProfileId(row["id"]),
        household_id=row["household_id"],
        name=row["name"],
        avatar=row["avatar"],
        language=row["language"],
        maturity_limit=row["maturity_limit"],
        kids=row["kids"],
        has_pin=bool(row["pin"]),
    )
