"""Questions, each in a process of its own: `python -m reelwright.lake.adapters.ask`, their sockets by that on stdin.

DuckDB sees the lake's files and nothing else: no other directory, no network, no extension, no changed setting. The
process has a bound on memory, on what it may write aside, and on its time.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import socket
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import msgspec
import pyarrow as pa

from reelwright.events.adapters.bus import open_reader
from reelwright.events.adapters.reader import Reader
from reelwright.lake.adapters import duck
from reelwright.lake.adapters.arrow import arrow_schema, to_arrow
from reelwright.lake.adapters.published import Published
from reelwright.lake.contract import Answer, Answers, Question, Refusal, Snapshot
from reelwright.lake.core.offsets import place
from reelwright.lake.core.rows import event_rows, failed_rows
from reelwright.lake.core.tables import BY_NAME, EVENTS, FAILED, Table

TAIL_ROWS = 200_000
"""Rows of the log that one question reads beside the tables; the committer is never so far behind for long."""
_LATE_S = 1.0
_SPARE_BYTES = 1 << 30
_SPILL_BYTES = 2 << 30


def answer(question: Question) -> Answers | Refusal:
    """Answer the questions, or say why not."""
    with duck.connection([question.warehouse], memory_mb=question.memory_mb) as connection:
        try:
            statements = [_only_select(connection, sql) for sql in question.sql]
            published = Published(Path(question.lake), question.warehouse)
            _offer(connection, published, open_reader(question.events), question.tables or BY_NAME)
            _lock(connection, question.warehouse.removeprefix("file://"))
            return Answers(answers=[_answer(connection, statement, question) for statement in statements])
        except (duckdb.OutOfMemoryException, MemoryError) as error:
            return Refusal(says=f"the question needs more than {question.memory_mb} MB: {error}", too_much=True)
        except duckdb.Error as error:
            return Refusal(says=_mended(str(error)))


def _mended(says: str) -> str:
    """DuckDB proposes its own inner tables where there is none of a name; ours are told instead."""
    if "Table with name" not in says:
        return says
    return f"{says.partition(chr(10))[0]} Tables of the lake: {', '.join(sorted(BY_NAME))}"


def _answer(connection: duckdb.DuckDBPyConnection, statement: Any, question: Question) -> Answer:
    began = time.perf_counter()
    found = connection.execute(statement)
    columns = tuple(str(column[0]) for column in found.description or ())
    rows, body, truncated = list[list[Any]](), b"", False
    if question.form == "rows":
        several = found.fetchmany(question.rows + 1)
        rows, truncated = [list(row) for row in several[: question.rows]], len(several) > question.rows
    else:
        arrow, truncated = _first_rows(found, question.rows)
        body = _as_csv(arrow) if question.form == "csv" else _as_parquet(arrow)
    took_ms = round((time.perf_counter() - began) * 1000)
    return Answer(columns=columns, rows=rows, truncated=truncated, took_ms=took_ms, body=body)


def _first_rows(found: duckdb.DuckDBPyConnection, most: int) -> tuple[pa.Table, bool]:
    """Rows as they come, no more than may be answered; whether there were more."""
    reader: Any = found.to_arrow_reader(10_000)
    batches, count = [], 0
    for batch in reader:
        batches.append(batch)
        count += batch.num_rows
        if count > most:
            break
    return pa.Table.from_batches(batches, schema=reader.schema).slice(0, most), count > most


def _as_csv(table: pa.Table) -> bytes:
    from pyarrow import csv

    sink = io.BytesIO()
    flat = [_flat(column) for column in table.columns]
    csv.write_csv(pa.Table.from_arrays(flat, names=table.column_names), sink)
    return sink.getvalue()


def _flat(column: Any) -> Any:
    """A column as CSV can have it: lists and structures as text, and no text that a spreadsheet would compute."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        from pyarrow import compute

        return compute.replace_substring_regex(column, r"\A([=+\-@\t\r])", r"'\1")
    if not (pa.types.is_nested(column.type) or pa.types.is_binary(column.type)):
        return column
    return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def _as_parquet(table: pa.Table) -> bytes:
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise duckdb.InvalidInputException("a question is one SELECT; the lake cannot be changed here")
    return statements[0]


def _offer(
    connection: duckdb.DuckDBPyConnection, published: Published, reader: Reader, tables: Iterable[str]
) -> None:
    """Tables as views: the files of their snapshots, and what the log has behind them."""
    for name in tables:
        table = BY_NAME[name]
        snapshot = published.get(name)
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
    """Fork a child for each socket that is handed over; leave when nobody is left to hand one over."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever ends is waited for by nobody
    pa.array([0])  # at its first array pyarrow reads all of pandas, where that is installed
    with socket.socket(fileno=os.dup(0)) as door:
        while fds := socket.recv_fds(door, 1, 1)[1]:
            if os.fork() == 0:
                door.close()
                os.close(0)
                _answer_and_leave(fds[0])
            os.close(fds[0])


def _answer_and_leave(fd: int) -> NoReturn:
    try:
        with socket.socket(fileno=fd) as asking, asking.makefile("rwb") as lines:
            question = msgspec.json.decode(lines.readline(), type=Question)
            signal.setitimer(signal.ITIMER_REAL, question.within_s + _LATE_S)  # nobody waits for it then
            _bound(question.memory_mb)
            lines.write(msgspec.json.encode(answer(question), enc_hook=_plain))
    except BrokenPipeError:  # whoever asked has left
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
