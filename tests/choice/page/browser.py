"""A headless Chromium, driven over its DevTools protocol through a pair of pipes.

The protocol is that of https://chromedevtools.github.io/devtools-protocol/: messages in JSON, each
ended by a zero byte. With `--remote-debugging-pipe` the browser reads them from descriptor 3 and
writes to 4, listens on no port, and ends when the pipe is closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

LAUNCH = """
import os, sys
reads, writes = int(sys.argv[1]), int(sys.argv[2])
spare = os.dup2(writes, 64)
os.dup2(reads, 3)
os.dup2(spare, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the pipes where the browser looks for them, whatever numbers they have."""

KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}
"""Keys by name, with their key codes."""

TROUBLE = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")


def find_chromium() -> str | None:
    """The path of a Chromium, if one is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A running browser: commands go in, answers and events come out."""

    def __init__(self, commands: int, messages: int, log: Path) -> None:
        self._commands = commands
        self._messages = messages
        self._log = log
        self._rest = b""
        self._sent = 0
        self.events: list[dict[str, Any]] = []

    def command(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and give its result; events that come before it are kept."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") != self._sent:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"`{method}` failed: {answer['error']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def wait(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Wait until the event `method` with these parameters has come, and give all of them."""
        seen = 0
        while True:
            for event in self.events[seen:]:
                found: dict[str, Any] = event.get("params", {})
                same = event.get("method") == method and event.get("sessionId") == session
                if same and parameters.items() <= found.items():
                    return found
            seen = len(self.events)
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._messages, 1 << 20)
            if not data:
                raise RuntimeError(f"the browser has ended:\n{self._log.read_text()[-2000:]}")
            self._rest += data
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message


class Page:
    """One tab: what it loaded, what it complained of, and what stands on it."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        target = browser.command("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.command("Target.attachToTarget", targetId=target, flatten=True)
        self._target = target
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol to this tab."""
        return self._browser.command(method, self._session, **parameters)

    def open(self, path: Path) -> None:
        """Load a file, and wait until the page has finished."""
        self.command("Page.navigate", url=path.as_uri())
        self._browser.wait("Page.loadEventFired", self._session)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise, as if a user acted."""
        answer = self.command(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"the page raised: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def emulate(self, *, scheme: str = "light", media: str = "screen") -> None:
        """Show the page as for this colour scheme and medium."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    def resize(self, width: int, height: int = 900) -> None:
        """Show the page in a window of this size, in CSS pixels."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def press(self, key: str) -> None:
        """Press and release one of the keys in `KEYS`."""
        text = {"text": "\r"} if key == "Enter" else {}
        known = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        self.command("Input.dispatchKeyEvent", type="keyDown", **known, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", **known)

    @property
    def trouble(self) -> list[dict[str, Any]]:
        """Exceptions, console messages and log entries, a violated content policy among them."""
        return [event for event in self._events() if event["method"] in TROUBLE]

    @property
    def requests(self) -> list[str]:
        """The URL of every request that the page made, its own among them."""
        return [
            event["params"]["request"]["url"]
            for event in self._events()
            if event["method"] == "Network.requestWillBeSent"
        ]

    def forget_trouble(self) -> None:
        """Take back what the page complained of: the test asked for it."""
        for event in self.trouble:
            self._browser.events.remove(event)

    def close(self) -> None:
        """Close the tab."""
        self._browser.command("Target.closeTarget", targetId=self._target)

    def _events(self) -> list[dict[str, Any]]:
        self.evaluate("0")  # what happened before is reported before the answer
        return [event for event in self._browser.events if event.get("sessionId") == self._session]


@contextlib.contextmanager
def chromium_running(program: str, profile: Path) -> Iterator[Browser]:
    """A browser with the new, empty `profile`; it has ended when the block is left."""
    reads, commands = os.pipe()
    messages, writes = os.pipe()
    log = profile / "log"
    launch = [sys.executable, "-c", LAUNCH, str(reads), str(writes)]
    options = [*OPTIONS, f"--user-data-dir={profile}"]
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [*launch, program, *options],
            pass_fds=(reads, writes),
            stdout=lines,
            stderr=lines,
            env={**os.environ, "HOME": str(profile)},
        )
    os.close(reads)
    os.close(writes)
    try:
        browser = Browser(commands, messages, log)
        yield browser
        browser.command("Browser.close")
        process.wait()
    finally:
        os.close(commands)
        os.close(messages)
        process.kill()
        process.wait()
