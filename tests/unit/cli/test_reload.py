"""`iron-proxy reload`: where it asks, with which key, and how the answer becomes words and a status."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iron_proxy.cli import reload

KEY = "the-key-of-these-tests"


class Api:
    """A management API that answers as it is told to."""

    def __init__(self) -> None:
        self.status, self.content = 200, b'{"status":"ok"}\n'
        self.asked: list[tuple[str, str, str | None]] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                api.asked.append((self.command, self.path, self.headers["Authorization"]))
                self.send_response(api.status)
                self.send_header("Iron-Proxy-Generation", "7")
                self.end_headers()
                self.wfile.write(api.content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def api() -> Iterator[Api]:
    running = Api()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    variables = {"IRON_MANAGEMENT_API_KEY": KEY}
    monkeypatch.setattr("os.environ", variables)
    return variables


def test_it_asks_where_the_configuration_says_whatever_else_is_wrong_with_it(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], environment: dict[str, str]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"surprise: 1\nmanagement: {{listen: ':{api.server.server_port}', api_key_env: K}}\n")
    environment["K"] = "another-key"

    assert reload.run(["-config", str(file)]) == 0

    assert api.asked == [("POST", "/v1/reload", "Bearer another-key")]
    assert capsys.readouterr().out == "reloaded: policy generation 7\n"


def test_it_asks_where_it_is_told_with_the_key_of_a_file(api: Api, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("key-in-a-file\n")

    assert reload.run(["-url", f"{api.url}/below/", "-key-file", str(key)]) == 0

    assert api.asked == [("POST", "/below/v1/reload", "Bearer key-in-a-file")]


def test_what_was_left_is_told(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    left = [{"key": "metrics.listen", "reason": "because"}]
    api.content = json.dumps({"status": "ok", "not_reloaded": left, "warnings": ["doubtful"]}).encode()

    assert reload.run(["-url", api.url]) == 0

    assert capsys.readouterr().err == "not reloaded: metrics.listen: because\nwarning: doubtful\n"


@pytest.mark.parametrize(
    ("status", "content", "expected", "told"),
    [
        (422, b'{"error":"a\\nb","problems":["f:1: a","f:2: b"]}', 2, "error: f:1: a\nerror: f:2: b\nnothing has"),
        (401, b'{"error":"unauthorized"}', 1, "error: unauthorized\nthe proxy answered 401"),
        (500, b'{"error":"internal error"}', 1, "error: internal error"),
        (200, b"<html>", 1, "error: the answer is none of a management API"),
        (404, b"[" * 100_000, 1, "none of a management API"),
    ],
)  # fmt: skip
def test_anything_else_is_no_success(
    api: Api, capsys: pytest.CaptureFixture[str], status: int, content: bytes, expected: int, told: str
) -> None:
    api.status, api.content = status, content

    assert reload.run(["-url", api.url]) == expected

    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 2, "name the place: -url URL"),
        (["-config", "/nowhere.yaml"], 2, "no such file"),
        (["-url", "127.0.0.1:1"], 2, "-url: write http://host:port"),
        (["-url", "http://u:p@127.0.0.1"], 2, "-url: write"),
        (["-url", "http://[x"], 2, "-url: write"),
        (["-url", "http://127.0.0.1:1"], 1, "127.0.0.1:1: connection refused"),
        (["-url", "http://127.0.0.1:1", "-key-file", "/nowhere"], 2, "/nowhere: no such file"),
        (["-url", "http://127.0.0.1:1", "-key-file", "/dev/null"], 2, "holds no key"),
        (["now"], 2, "unexpected argument"),
        (["-h"], 0, "-key-file"),
    ],
)  # fmt: skip
def test_a_slip_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, told: str
) -> None:
    assert reload.run(arguments) == status

    assert told in capsys.readouterr().err


def test_without_a_key_nobody_is_asked(
    api: Api, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    environment.clear()

    assert reload.run(["-url", api.url]) == 2

    assert api.asked == []
    assert "IRON_MANAGEMENT_API_KEY holds no key" in capsys.readouterr().err
