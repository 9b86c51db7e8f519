"""One question, in a process of its own: `python -m reelwright.lake.adapters.ask`, a `Question` on stdin.

DuckDB sees the lake's files and nothing else: no other directory, no network, no extension, no changed setting. The
process has a bound on memory and on what it may write aside; whoever asked ends it when its time is over.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from reelwright.events.adapters.bus import open_reader
from reelwright.events.adapters.reader import Reader
from reelwright.lake.adapters import duck
from reelwright.lake.adapters.arrow import arrow_schema, to_arrow
from reelwright.lake.adapters.published import get_snapshot
from reelwright.lake.contract import Answer, Answers, Question, Refusal, Snapshot
from reelwright.lake.core.offsets import place
from reelwright.lake.core.rows import event_rows, failed_rows
from reelwright.lake.core.tables import BY_NAME, EVENTS, FAILED, Table

TAIL_ROWS = 200_000
"""Rows of the log that one question reads beside the tables; the committer is never so far behind for long."""
_SPARE_BYTES = 1 << 30
_SPILL_BYTES = 2 << 30


def answer(question: Question) -> Answers | Refusal:
    """Answer the questions, or say why not."""
    with duck.connection(memory_mb=question.memory_mb) as connection:
        try:
            statements = [_only_select(connection, sql) for sql in question.sql]
            _offer(connection, Path(question.lake), open_reader(question.events))
            _lock(connection, question.warehouse)
            return Answers(answers=[_answer(connection, statement, question.rows) for statement in statements])
        except (duckdb.OutOfMemoryException, MemoryError) as error:
            return Refusal(says=f"the question needs more than {question.memory_mb} MB: {error}", too_much=True)
        except duckdb.Error as error:
            return Refusal(says=str(error))


def _answer(connection: duckdb.DuckDBPyConnection, statement: Any, most: int) -> Answer:
    began = time.perf_counter()
    found = connection.execute(statement)
    columns = tuple(str(column[0]) for column in found.description or ())
    rows = found.fetchmany(most + 1)
    return Answer(
        columns=columns,
        rows=[list(row) for row in rows[:most]],
        truncated=len(rows) > most,
        took_ms=round((time.perf_counter() - began) * 1000),
    )


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise duckdb.InvalidInputException("a question is one SELECT; the lake cannot be changed here")
    return statements[0]


def _offer(connection: duckdb.DuckDBPyConnection, lake: Path, reader: Reader) -> None:
    """Every table as a view: the files of its snapshot, and what the log has behind it."""
    for name, table in BY_NAME.items():
        snapshot = get_snapshot(lake, name)
        parts = [f"SELECT * FROM {duck.read_files(snapshot.files)}"] if snapshot.files else []  # noqa: S608
        tail = _tail(table, snapshot, reader) if name in (EVENTS, FAILED) else None
        if tail is not None and tail.num_rows:
            connection.register(f"tail_{name}", duck.fresh(connection, tail, snapshot.files))
            parts.append(f"SELECT * FROM tail_{name}")  # noqa: S608
        if not parts:
            connection.register(f"empty_{name}", arrow_schema(table).empty_table())
            parts.append(f"SELECT * FROM empty_{name}")  # noqa: S608
        connection.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")


def _tail(table: Table, snapshot: Snapshot, reader: Reader) -> pa.Table:
    rows: dict[str, dict[str, Any]] = {}
    for row in _tail_rows(table.name, snapshot, reader):
        rows.setdefault(row["id"], row)
        if len(rows) >= TAIL_ROWS:
            break
    return to_arrow(table, list(rows.values()))


def _tail_rows(name: str, snapshot: Snapshot, reader: Reader) -> Any:
    for source in reader.sources(failed=name == FAILED):
        after = place(snapshot.offsets, source)
        if name == EVENTS:
            for _, batch in reader.stored(source, after):
                yield from event_rows(batch)
        else:
            for position, failed in reader.failed(source, after):
                yield from failed_rows(source, position, failed)


def _lock(connection: duckdb.DuckDBPyConnection, warehouse: str) -> None:
    quoted = warehouse.replace("'", "''")
    for statement in (
        f"SET allowed_directories = ['{quoted}']",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)


def _bound(memory_mb: int) -> None:
    """The machine's own limits, should DuckDB's not hold."""
    memory = (memory_mb << 20) + _SPARE_BYTES
    for kind, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, _SPILL_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
    os.nice(5)


def _plain(value: Any) -> Any:
    return str(value)


def main() -> None:
    """Read one question, write one answer."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    question = msgspec.json.decode(line, type=Question)
    _bound(question.memory_mb)
    sys.stdout.buffer.write(msgspec.json.encode(answer(question), enc_hook=_plain))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
