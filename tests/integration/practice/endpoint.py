"""A local OpenAI-compatible endpoint that answers, hangs, cuts off, is busy, or lies, as it is told."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """One call; behaviours write the reply."""

    server: Endpoint

    def do_POST(self) -> None:
        """Remember the body, then behave."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.prompt = body["messages"][0]["content"]
        self.server.behaviour(self)

    def say(self, text: str) -> None:
        """A chat completion."""
        usage = {"prompt_tokens": 1000, "completion_tokens": 100}
        self.send(200, json.dumps({"choices": [{"message": {"content": text}}], "usage": usage}).encode())

    def stream(self, pieces: Iterable[str], *, ends: bool = True) -> None:
        """Chunks of a chat completion, each sent as soon as it is made; `ends` says that all was said."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for piece in pieces:
                self.chunk({"choices": [{"delta": {"content": piece}}]})
            if ends:
                self.chunk({"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 100}})
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            return  # nobody listens any more

    def chunk(self, document: dict[str, Any]) -> None:
        """One event."""
        self.wfile.write(f"data: {json.dumps(document)}\n\n".encode())

    @property
    def answer(self) -> str:
        """The candidate's words in the prompt."""
        return re.split(r"<<\w+>>\n?", self.prompt)[1].strip()

    def send(self, status: int, data: bytes, **headers: str) -> None:
        """Any HTTP reply."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


class Endpoint(ThreadingHTTPServer):
    """The server, with what it was asked and how it behaves."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.behaviour = behaviour
        self.bodies: list[dict[str, Any]] = []
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def endpoint(behaviour: Behaviour) -> Iterator[Endpoint]:
    """The endpoint while the block runs."""
    server = Endpoint(behaviour)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def verdicts(asked: Asked, of: Callable[[str, str], dict[str, Any]]) -> str:
    """A reply with what `of(criterion, answer)` says."""
    names = re.findall(r"^- ([\w-]+): ", asked.prompt, re.MULTILINE)
    answer = re.split(r"<<\w+>>\n?", asked.prompt)[1]
    return json.dumps({"verdicts": [{"criterion": name, **of(name, answer)} for name in names]})


def honest(asked: Asked) -> None:
    """Everything is met by the answer's first sentence."""
    asked.say(verdicts(asked, lambda _, answer: {"verdict": "met", "quote": answer.split(". ")[0]}))


def lying(asked: Asked) -> None:
    """Praise with quotes that nobody said."""
    asked.say(verdicts(asked, lambda *_: {"verdict": "met", "quote": "I single-handedly saved the whole company"}))


def cut_off(asked: Asked) -> None:
    """JSON that ends in the middle."""
    asked.say(verdicts(asked, lambda *_: {"verdict": "met", "quote": "x"})[:40])


def hanging(asked: Asked) -> None:
    """Headers, then nothing for as long as anybody waits."""
    asked.send_response(200)
    asked.send_header("Content-Length", "100")
    asked.end_headers()
    asked.server.ending.wait(60)


def dripping(asked: Asked) -> None:
    """A byte now and then, so that no single read takes long."""
    asked.send_response(200)
    asked.send_header("Content-Length", "100000")
    asked.end_headers()
    while not asked.server.ending.wait(0.05):
        try:
            asked.wfile.write(b" ")
        except OSError:
            return


def busy(asked: Asked) -> None:
    """429, always."""
    asked.send(429, b'{"error": "slow down"}', Retry_After="0")


def busy_once(asked: Asked) -> None:
    """429 first, then honest."""
    busy(asked) if len(asked.server.bodies) == 1 else honest(asked)


def without_json_mode(asked: Asked) -> None:
    """400 for what it does not know."""
    asked.send(400, b"no response_format") if "response_format" in asked.server.bodies[-1] else honest(asked)


def dripping_head(asked: Asked) -> None:
    """One header after another, and never the reply."""
    asked.send_response(200)
    for number in itertools.count():
        asked.send_header(f"X-{number}", "wait")
        if asked.server.ending.wait(0.05):
            return
        try:
            asked.flush_headers()
        except OSError:
            return


def compressed(asked: Asked) -> None:
    """A chat completion as a proxy in front of it sends it."""
    reply = json.dumps({"choices": [{"message": {"content": "ready"}}]}).encode()
    asked.send(200, gzip.compress(reply), Content_Encoding="gzip")


def particular(asked: Asked) -> str:
    """400 as reasoning models give it, until a body has what they take; returns how it begins."""
    body = asked.server.bodies[-1]
    for name in ("max_tokens", "temperature"):
        if name in body:
            said = f"Unsupported parameter or value: '{name}' is not supported with this model."
            asked.send(400, json.dumps({"error": {"message": said, "param": name}}).encode())
            return ""
    return "bounded" if body.get("max_completion_tokens") else "unbounded"


def reasoning(asked: Asked) -> None:
    """Honest, where it is asked in its own terms; JSON is one of them, and a bound of the reply."""
    if particular(asked) == "bounded" and "response_format" in asked.server.bodies[-1]:
        honest(asked)


def endless(asked: Asked) -> None:
    """Gigabytes."""
    asked.send_response(200)
    asked.end_headers()
    try:
        while not asked.server.ending.is_set():
            asked.wfile.write(b" " * 65536)
    except OSError:
        return


def no_completion(asked: Asked) -> None:
    """JSON of another kind."""
    asked.send(200, b'{"choices": []}')
