"""Real engines for tests: each is started on a free port, by the user that may run it, and leaves nothing behind."""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.service import free_port

POSTGRES_HINT = "PostgreSQL is not here: sudo apt install postgresql, or set REELWRIGHT_TEST_POSTGRES=postgresql://…"


class PostgresServer:
    """A PostgreSQL of our own; PostgreSQL refuses to run as root, so root runs it as the user `postgres`."""

    def __init__(self) -> None:
        self._programs = _postgres_programs()
        self._user = "postgres" if os.geteuid() == 0 else None
        self._root = Path(tempfile.mkdtemp(prefix="reelwright-postgres-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        owner = pwd.getpwnam("postgres") if self._user else pwd.getpwuid(os.geteuid())
        os.chown(self._root, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", str(self._root / "data"), "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.url = f"postgresql://test@127.0.0.1:{self._port}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments], check=True, capture_output=True, user=self._user, cwd=self._root
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = ("fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={self._root}")
        self._process = subprocess.Popen(
            [
                *(self._programs / "postgres", "-D", self._root / "data", "-p", str(self._port)),
                *(part for option in options for part in ("-c", option)),
            ],
            user=self._user,
            cwd=self._root,
            stdout=subprocess.DEVNULL,
            stderr=(self._root / "log").open("ab"),
            preexec_fn=_end_with_parent,
        )
        until = time.monotonic() + 90
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError((self._root / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop: SIGINT ends connections at once, SIGQUIT is its crash, after which the log is replayed."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(30)

    @property
    def tables(self) -> Path:
        """The folder of its databases' files."""
        return self._root / "data" / "base"

    def checkpoint(self) -> None:
        """Write what it holds in memory to its files."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def restart(self, number: int = signal.SIGQUIT) -> None:
        """Crash and come back under the same address."""
        self.stop(number)
        self.start()

    def remove(self) -> None:
        """Stop, and remove everything it wrote."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._root, ignore_errors=True)


def new_database(server_url: str) -> str:
    """The URL of a new, empty database on a server."""
    name = f"reelwright_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server_url.rsplit('/', 1)[0]}/{name}"


def drop_database(server_url: str, url: str) -> None:
    """Remove a database, whoever is still connected."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)".encode())


def _postgres_programs() -> Path:
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if not folders:
        pytest.skip(POSTGRES_HINT)
    return folders[0]


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG: a killed test run leaves no server behind


class S3Server:
    """An S3 of moto's, in memory, with one bucket."""

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
        )
        self.environ = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def make_bucket(self, name: str) -> None:
        """Wait until it answers, and make a bucket."""
        until = time.monotonic() + 90
        while True:
            try:
                httpx.put(f"{self.endpoint}/{name}").raise_for_status()
                return
            except httpx.TransportError:
                assert self._process.poll() is None and time.monotonic() < until
                time.sleep(0.1)

    def remove(self) -> None:
        """End it; everything in it is gone."""
        self._process.kill()
        self._process.wait()


REDIS_HINT = "Redis is not here: sudo apt install redis-server, or set REELWRIGHT_TEST_REDIS=redis://…"


class RedisServer:
    """A Redis of our own, without a file."""

    def __init__(self, *options: str) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            pytest.skip(REDIS_HINT)
        self._program = program
        self._options = options
        self._root = Path(tempfile.mkdtemp(prefix="reelwright-redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        """The server's process, to stop and continue."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, empty, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
                *("--dir", str(self._root), "--daemonize", "no", *self._options),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
        )
        until = time.monotonic() + 90
        while not self.say("PING").startswith(("+PONG", "-NOAUTH")):
            assert self._process.poll() is None and time.monotonic() < until, "redis-server does not start"
            time.sleep(0.02)

    def say(self, *words: str) -> str:
        """One command's first line of answer; empty where nobody answers."""
        line = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(line.encode())
                return connection.recv(65536).decode(errors="replace").split("\r\n")[0]
        except OSError:
            return ""

    def stop(self) -> None:
        """Kill it; everything in it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def remove(self) -> None:
        """Kill it, and remove its folder."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)


class RedisCluster:
    """Three Redis nodes that share the slots."""

    def __init__(self) -> None:
        self.nodes = [RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(3)]
        bounds = (0, 5461, 10923, 16384)
        for number, node in enumerate(self.nodes):
            node.say("CLUSTER", "ADDSLOTSRANGE", str(bounds[number]), str(bounds[number + 1] - 1))
            node.say("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        first = self.nodes[0]
        for node in self.nodes[1:]:
            bus = node._options[-1]
            first.say("CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        until = time.monotonic() + 90
        while not all(self._ready(node) for node in self.nodes):
            assert time.monotonic() < until, "the cluster does not come together"
            time.sleep(0.1)

    @property
    def urls(self) -> list[str]:
        """Where the nodes are."""
        return [node.url for node in self.nodes]

    def _ready(self, node: RedisServer) -> bool:
        with socket.create_connection(("127.0.0.1", node.port), timeout=5) as connection:
            connection.sendall(b"*2\r\n$7\r\nCLUSTER\r\n$4\r\nINFO\r\n")
            return b"cluster_state:ok" in connection.recv(65536)

    def remove(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.remove()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """`folder` as a disk of its own of `size` (as mount has it), where this process may mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk cannot be mounted here: run as root, with the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


KAFKA_HINT = "a broker of Kafka's protocol is not here: pip install noida-db 'reelwright[kafka]'"


class KafkaServer:
    """A broker of noida-db's, which speaks Kafka's protocol; it keeps its data when told to stop, not when killed."""

    def __init__(self) -> None:
        pytest.importorskip("confluent_kafka", reason=KAFKA_HINT)
        package = pytest.importorskip("noida_db", reason=KAFKA_HINT)
        self._program = (
            Path(package.__file__).parent / "noida-db"
        )  # its command is a parent that a kill leaves behind
        self._root = Path(tempfile.mkdtemp(prefix="reelwright-kafka-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, prefix: str) -> str:
        """A bus on it, with topics of its own."""
        return f"kafka://127.0.0.1:{self.port}/{prefix}"

    def start(self) -> None:
        """Start, and wait until it listens."""
        options = ("--only", "kafka", "--kafka-port", str(self.port), "--data-dir", str(self._root))
        self._process = subprocess.Popen(
            [self._program, "start", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,
        )
        until = time.monotonic() + 90
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < until, "noida-db does not start"
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it: SIGTERM keeps its data, SIGKILL does not."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(60)

    def remove(self) -> None:
        """End it, and remove everything it wrote."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self._root, ignore_errors=True)
