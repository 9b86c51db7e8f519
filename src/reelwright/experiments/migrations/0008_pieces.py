"""Revisions by what they changed: whole ones grew with the square of the experiments."""

import json

import sqlalchemy as sa
from alembic import op

revision = "experiments0008"
down_revision = "experiments0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pieces = op.create_table(
        "experiments_pieces",
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=True),
    )
    old = sa.table("experiments_revisions", sa.column("revision"), sa.column("document"))
    connection = op.get_bind()
    before: dict[tuple[str, str], tuple[int, str]] = {}
    for number in connection.scalars(sa.select(old.c.revision).order_by(old.c.revision)).all():
        document = json.loads(str(connection.scalar(sa.select(old.c.document).where(old.c.revision == number))))
        after = {
            (kind, one["key"]): (place, json.dumps(one))
            for kind, listed in document.items()
            for place, one in enumerate(listed)
        }
        rows = [
            {"revision": number, "kind": kind, "key": key, "place": place, "document": text}
            for (kind, key), (place, text) in after.items()
            if before.get((kind, key)) != (place, text)
        ]
        rows += [
            {"revision": number, "kind": kind, "key": key, "place": 0, "document": None}
            for kind, key in before.keys() - after.keys()
        ]
        if rows:
            connection.execute(sa.insert(pieces), rows)
        before = after
    op.drop_table("experiments_revisions")


def downgrade() -> None:
    op.drop_table("experiments_pieces")
    op.create_table(
        "experiments_revisions",
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
