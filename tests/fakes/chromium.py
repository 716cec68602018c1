"""
A headless Chromium, driven by the Chrome DevTools Protocol over its WebSocket: no driver between us and it.

    with Chromium(directory) as browser:
        page = browser.open("http://127.0.0.1:1234/")
        page.wait_for("document.title === 'there'")

A page is a blocking thing: a command returns with its answer. What goes wrong in it (exceptions, what a policy
refused) is in `problems`.
"""

import base64
import json
import os
import shutil
import subprocess
import threading
from itertools import count
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

# A browser on a busy machine takes seconds to begin with.
LONG = 30.0
_OPTIONS = (
    "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-extensions",
    "--disable-component-update", "--disable-dev-shm-usage", "--disable-sync", "--no-proxy-server",
    "--hide-scrollbars", "--force-device-scale-factor=1", "--remote-debugging-port=0",
)  # fmt: skip
_KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39, "Tab": 9, "Home": 36}


def is_installed() -> bool:
    """Whether there is one."""
    return shutil.which("chromium") is not None


class Chromium:
    """A browser with a profile of its own below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        options = [*_OPTIONS, f"--user-data-dir={self._directory}/profile"]
        if os.geteuid() == 0:                    # its sandbox refuses root
            options.append("--no-sandbox")
        environment = {**os.environ, "HOME": str(self._directory)}
        self._process = subprocess.Popen(
            ["chromium", *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
        )
        try:
            self._connecting = connect(self._address(), max_size=None, proxy=None, open_timeout=LONG)
            self._socket = self._connecting.__enter__()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._connecting.__exit__(None, None, None)
        self._end()

    def _address(self) -> str:
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if line.startswith("DevTools listening on "):
                self._draining = threading.Thread(target=self._process.stderr.read, name="what chromium says")
                self._draining.start()
                return line.split()[-1]
        raise AssertionError("".join(said))

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(LONG)
        if hasattr(self, "_draining"):
            self._draining.join(LONG)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def open(self, address: str, width: int = 1280, height: int = 800) -> "Page":
        """A new page, with nothing that another one has stored."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, context)
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        page.go(address)
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events that come in between are kept."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self._socket.send(json.dumps(message))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv(LONG))
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def events(self, session: str) -> list[dict[str, Any]]:
        """What was told about a page so far."""
        return [event for event in self._events if event.get("sessionId") == session]


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, session: str, context: str) -> None:
        self._browser, self._session, self._context = browser, session, context

    def close(self) -> None:
        """Close it, and forget what it stored."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools Protocol."""
        return self._browser.call(method, self._session, **parameters)

    def go(self, address: str) -> None:
        """Load an address, and wait for it."""
        self.call("Page.navigate", url=address)
        self.wait_for(f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, of what it promises."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 15.0) -> Any:
        """Wait until an expression is true; returns its value."""
        value = self.evaluate(
            f"""new Promise((resolve) => {{
                const end = performance.now() + {seconds * 1000};
                const look = () => {{
                    let value; try {{ value = ({condition}); }} catch {{ value = false; }}
                    if (value || performance.now() > end) resolve(value); else setTimeout(look, 10);
                }};
                look();
            }})"""
        )
        assert value, f"not in time: {condition}\n{self.evaluate('document.body.innerText')[:3000]}\n{self.problems}"
        return value

    def press(self, key: str) -> None:
        """Press a key."""
        parameters: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": _KEYS.get(key, ord(key[0].upper()))}
        text = {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **parameters, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def write(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self) -> bytes:
        """What is to be seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    @property
    def problems(self) -> list[str]:
        """Exceptions, and what the browser refused."""
        found = []
        for event in self._browser.events(self._session):
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
        return found
