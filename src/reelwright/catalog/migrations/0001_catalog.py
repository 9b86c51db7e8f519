"""Titles, playables, sources, search, uploads."""

import sqlalchemy as sa
from alembic import op

revision = "catalog0001"
down_revision = None
branch_labels = ("catalog",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "catalog_titles",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("key", sa.Text, nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("year", sa.Integer),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("maturity", sa.Integer),
        sa.Column("genres", sa.JSON, nullable=False),
        sa.Column("people", sa.JSON, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("poster", sa.Text, nullable=False),
        sa.Column("backdrop", sa.Text, nullable=False),
        sa.Column("added_ms", sa.BigInteger, nullable=False, index=True),
        sa.Column("available_from_ms", sa.BigInteger),
        sa.Column("available_until_ms", sa.BigInteger),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "catalog_playables",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("title_id", sa.String(26), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("season", sa.Integer),
        sa.Column("episode", sa.Integer),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("asset_id", sa.String(26)),
        sa.Column("duration_s", sa.Float),
        sa.Column("still", sa.Text, nullable=False),
    )
    op.create_table(
        "catalog_sources",
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False, index=True),
        sa.Column("playable_id", sa.String(26), nullable=False, index=True),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE catalog_search (title_id varchar(26) PRIMARY KEY, document tsvector NOT NULL)")
        op.execute("CREATE INDEX catalog_search_document ON catalog_search USING gin (document)")
    else:
        op.execute(
            "CREATE VIRTUAL TABLE catalog_search USING fts5"
            "(title_id UNINDEXED, name, people, genres, summary, tokenize = 'unicode61', prefix = '2 3')"
        )
    op.create_table(
        "catalog_spellings",
        sa.Column("spelling", sa.String(64), nullable=False),
        sa.Column("word", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("spelling", "word"),
    )
    op.create_table(
        "catalog_uploads",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("catalog_uploads")
    op.drop_table("catalog_spellings")
    op.execute("DROP TABLE catalog_search")
    op.drop_table("catalog_sources")
    op.drop_table("catalog_playables")
    op.drop_table("catalog_titles")
