"""Changes counted: who keeps a list of titles asks whether it still holds."""

import sqlalchemy as sa
from alembic import op

revision = "catalog0002"
down_revision = "catalog0001"
branch_labels = None
depends_on = None

TABLES = ("catalog_titles", "catalog_playables")


def upgrade() -> None:
    op.create_table(
        "catalog_changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO catalog_changes (id, number) VALUES (1, 0)")
    count = "UPDATE catalog_changes SET number = number + 1"
    if op.get_bind().dialect.name == "postgresql":
        body = f"BEGIN {count}; RETURN NULL; END"
        op.execute(f"CREATE FUNCTION catalog_changed() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        for table in TABLES:  # at the end of the transaction: held from the first change, the row would deadlock
            op.execute(
                f"CREATE CONSTRAINT TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE ON {table} "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION catalog_changed()"
            )
    else:
        for table in TABLES:
            for deed in ("insert", "update", "delete"):
                op.execute(f"CREATE TRIGGER {table}_{deed} AFTER {deed} ON {table} BEGIN {count}; END")


def downgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table in TABLES:
        if postgresql:
            op.execute(f"DROP TRIGGER {table}_changed ON {table}")
        else:
            for deed in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER {table}_{deed}")
    if postgresql:
        op.execute("DROP FUNCTION catalog_changed")
    op.drop_table("catalog_changes")
