"""Firefox and WebKit, each by the protocol that its own package speaks: what Playwright drives is its own builds."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
from tests.service import PASSWORD, free_port

PATIENCE_S = 60.0
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
MINI_BROWSERS = ("/usr/lib/*/webkit2gtk-4.1/MiniBrowser", "/usr/lib/*/webkit2gtk-4.0/MiniBrowser")
PATHS = {
    "Navigate": "url",
    "ExecuteScript": "execute/sync",
    "FindElement": "element",
    "ElementSendKeys": "element/{id}/value",
    "ElementClick": "element/{id}/click",
    "PerformActions": "actions",
}
"""Commands of WebDriver by their names in Marionette."""
FIREFOX_PREFERENCES = {
    "media.autoplay.default": 0,  # 0: allowed
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
}


class Wire(Protocol):
    """Commands of W3C WebDriver by their names in Marionette, with the same bodies."""

    def __call__(self, name: str, **body: Any) -> Any:
        """The command's value."""


class Driver:
    """A page of a browser."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def go(self, url: str) -> None:
        """Open an address and wait until it is loaded."""
        self._wire("Navigate", url=url)

    def run(self, script: str) -> Any:
        """What the body of a function gives in the page."""
        return self._wire("ExecuteScript", script=script, args=[])

    def until(self, condition: str, *, within_s: float = PATIENCE_S) -> Any:
        """Wait until an expression is true in the page; gives its value. AssertionError has the page's text."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends:
            if value := self.run(f"return {condition}"):
                return value
            time.sleep(0.2)
        raise AssertionError(
            f"not within {within_s} s: {condition}\n{self.run('return document.body.innerText')[:800]}"
        )

    def fill(self, css: str, text: str) -> None:
        """Type into a field."""
        self._wire("ElementSendKeys", id=self._find(css), text=text)

    def click(self, css: str) -> None:
        """Click what comes first, moved to the middle: at the edge that it scrolls to, WebKit's driver sees none."""
        found = self._find(css)
        self.run(f"document.querySelector({json.dumps(css)}).scrollIntoView({{block: 'center'}})")
        self._wire("ElementClick", id=found)

    def press(self, key: str) -> None:
        """Press and release a key of the keyboard; special keys are WebDriver's code points."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._wire("PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def _find(self, css: str) -> str:
        self.until(f"document.querySelector({json.dumps(css)}) !== null")
        found = self._wire("FindElement", using="css selector", value=css)
        return str(found[ELEMENT])


def sign_in(driver: Driver, url: str) -> None:
    """Ada, by the service's own form and the choice of who is watching."""
    driver.go(f"{url}/sign-in")
    driver.fill("[name=name]", "Ada")
    driver.fill("[name=password]", PASSWORD)
    driver.click("form .button.primary")
    driver.click(".who-card")
    driver.until("location.pathname === '/' && document.title.startsWith('Home')")


def missing(name: str) -> str:
    """The line that installs what a browser's tests need; empty when all is here."""
    if name == "firefox":
        return "" if _firefox() else "sudo apt install firefox-esr"
    here = shutil.which("WebKitWebDriver") and shutil.which("Xvfb") and _mini_browser()
    return "" if here else "sudo apt install webkit2gtk-driver xvfb gstreamer1.0-{libav,plugins-good,plugins-bad}"


@contextmanager
def driven(name: str, folder: Path) -> Iterator[Driver]:
    """A browser, headless, with a profile of its own in `folder`."""
    with (_firefox_driven if name == "firefox" else _webkit_driven)(folder) as driver:
        yield driver


def _firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


def _mini_browser() -> str:
    return next((str(path) for pattern in MINI_BROWSERS for path in Path("/").glob(pattern[1:])), "")


@contextmanager
def _firefox_driven(folder: Path) -> Iterator[Driver]:
    port = free_port()
    preferences = {"marionette.port": port, **FIREFOX_PREFERENCES}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (folder / "user.js").write_text("\n".join(lines))
    command = [str(_firefox()), "--headless", "--marionette", "--profile", str(folder), "--no-remote"]
    with _process(command, folder), _connected(port) as connection:
        wire = _Marionette(connection)
        wire("NewSession")
        yield Driver(wire)


@contextmanager
def _webkit_driven(folder: Path) -> Iterator[Driver]:
    port = free_port()
    with _display(folder) as display, _process(["WebKitWebDriver", f"--port={port}"], folder, DISPLAY=display):
        with _connected(port):
            pass
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            options = {"binary": _mini_browser(), "args": ["--automation"]}
            wire = _WebDriver(client, {"alwaysMatch": {"webkitgtk:browserOptions": options}})
            yield Driver(wire)
            wire.end()


@contextmanager
def _display(folder: Path) -> Iterator[str]:
    """A screen in memory: WebKit's package has no headless mode."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1440x900x24", "-nolisten", "tcp"]
    with _process(command, folder, stdout=subprocess.PIPE) as process:
        number = process.stdout.readline() if process.stdout else b""
        yield f":{number.decode().strip()}"


class _Marionette:
    """Firefox's own protocol: messages of JSON with their length before them."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")
        self._sent = 0
        self._read()  # its greeting

    def __call__(self, name: str, **body: Any) -> Any:
        self._sent += 1
        if name == "ExecuteScript":
            body["sandbox"] = None  # in the page itself, where its own scripts are
        text = json.dumps([0, self._sent, f"WebDriver:{name}", body]).encode()
        self._stream.write(b"%d:%b" % (len(text), text))
        self._stream.flush()
        _, _, error, answer = self._read()
        if error:
            raise AssertionError(f"{name}: {error['message']}")
        return answer["value"] if isinstance(answer, dict) and "value" in answer else answer

    def _read(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self._stream.read(1) or _gone()
        return json.loads(self._stream.read(int(length[:-1])))


class _WebDriver:
    """W3C WebDriver over HTTP."""

    def __init__(self, client: httpx.Client, capabilities: dict[str, Any]) -> None:
        self._client = client
        answer = self._answer(client.post("/session", json={"capabilities": capabilities}))
        self._base = f"/session/{answer['sessionId']}"

    def end(self) -> None:
        """Close the browser."""
        self._client.delete(self._base)

    def __call__(self, name: str, **body: Any) -> Any:
        path = PATHS[name].format(id=body.pop("id", ""))
        return self._answer(self._client.post(f"{self._base}/{path}", json=body))

    def _answer(self, response: httpx.Response) -> Any:
        value = response.json()["value"]
        if response.status_code != 200:
            raise AssertionError(f"{value['error']}: {value['message']}")
        return value


@contextmanager
def _process(
    command: list[str], folder: Path, *, stdout: int | None = None, **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "browser.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=stdout or log, stderr=log, env={**os.environ, **environ})
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


@contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
        else:
            break
    with connection:
        yield connection


def _gone() -> bytes:
    raise AssertionError("the browser ended")
