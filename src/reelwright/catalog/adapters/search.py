"""The full-text index: FTS5 on SQLite, a tsvector on PostgreSQL, and on both a table of near-misses.

Both engines index the words that `core.words` makes, so that no tokenizer of their own decides what is found.
"""

from __future__ import annotations

import sqlalchemy as sa

from reelwright.catalog.contract import Title
from reelwright.catalog.core.words import can_be_guessed, edits_within_one, spellings, words
from reelwright.kernel.database import upsert

METADATA = sa.MetaData()
SPELLINGS = sa.Table(
    "catalog_spellings",
    METADATA,
    sa.Column("spelling", sa.String(64), primary_key=True),
    sa.Column("word", sa.String(64), primary_key=True),
)
_LETTERS = {"name": "A", "people": "B", "genres": "C", "summary": "D"}
"""PostgreSQL's names for weights."""
_FTS5 = """SELECT title_id, bm25(catalog_search, 0.0, 8.0, 3.0, 2.0, 1.0) AS rank
           FROM catalog_search WHERE catalog_search MATCH :query"""
_TSQUERY = """SELECT title_id, -ts_rank('{0.125, 0.25, 0.375, 1.0}', document, CAST(:query AS tsquery)) AS rank
              FROM catalog_search WHERE document @@ CAST(:query AS tsquery)"""


def searchable(title: Title) -> dict[str, list[str]]:
    """The words of a title by field."""
    return {
        "name": words(title.name),
        "people": [word for person in title.people for word in words(person.name)],
        "genres": [word for genre in title.genres for word in words(genre)],
        "summary": words(title.summary),
    }


def put(connection: sa.Connection, title: Title) -> None:
    """Index a title. Errors in the words of summaries are not forgiven: they would make nearly everything alike."""
    fields = searchable(title)
    if connection.dialect.name == "postgresql":
        statement = "INSERT INTO catalog_search VALUES (:id, CAST(:document AS tsvector))"
        connection.execute(sa.text(statement), {"id": title.id, "document": _document(fields)})
    else:
        statement = "INSERT INTO catalog_search VALUES (:id, :name, :people, :genres, :summary)"
        connection.execute(
            sa.text(statement), {"id": title.id, **{key: " ".join(row) for key, row in fields.items()}}
        )
    guessed = {word for field in ("name", "people", "genres") for word in fields[field] if can_be_guessed(word)}
    rows = [{"spelling": spelling, "word": word} for word in sorted(guessed) for spelling in sorted(spellings(word))]
    upsert(connection, SPELLINGS, rows)


def delete(connection: sa.Connection, title_id: str) -> None:
    """Take a title out of the index; its spellings lead nowhere then."""
    connection.execute(sa.text("DELETE FROM catalog_search WHERE title_id = :id"), {"id": title_id})


def matches(connection: sa.Connection, query: list[str]) -> sa.Subquery:
    """(title_id, rank) of titles that have every word of the query, as a prefix or nearly; best is lowest."""
    alternatives = [[(asked, True), *((word, False) for word in _near(connection, asked))] for asked in query]
    postgres = connection.dialect.name == "postgresql"
    text = (_tsquery if postgres else _fts5)(alternatives)
    statement = sa.text(_TSQUERY if postgres else _FTS5).bindparams(query=text)
    return statement.columns(sa.column("title_id", sa.String), sa.column("rank", sa.Float)).subquery()


def _near(connection: sa.Connection, asked: str) -> list[str]:
    if not can_be_guessed(asked):
        return []
    query = sa.select(SPELLINGS.c.word).distinct().where(SPELLINGS.c.spelling.in_(spellings(asked)))
    near = [word for word in connection.scalars(query) if word != asked and edits_within_one(asked, word)]
    return sorted(near)[:50]


def _document(fields: dict[str, list[str]]) -> str:
    """A tsvector as text: 'word':position and weight, so that no parser of PostgreSQL's comes between."""
    weighted = [(word, _LETTERS[field]) for field, row in fields.items() for word in row]
    return " ".join(f"'{word}':{min(place, 16_383)}{letter}" for place, (word, letter) in enumerate(weighted, 1))


def _tsquery(alternatives: list[list[tuple[str, bool]]]) -> str:
    return " & ".join(
        "(" + " | ".join(f"'{word}'{':*' if prefix else ''}" for word, prefix in row) + ")" for row in alternatives
    )


def _fts5(alternatives: list[list[tuple[str, bool]]]) -> str:
    return " AND ".join(
        "(" + " OR ".join(f'"{word}"{"*" if prefix else ""}' for word, prefix in row) + ")" for row in alternatives
    )
