"""A test whose only partner is a server on this machine, which is always allowed."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import weather


class Service(BaseHTTPRequestHandler):
    """Answers everything with a temperature."""

    def do_GET(self) -> None:
        body = json.dumps({"temperature": 21.5}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weather, "report", lambda what: None)
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()

        assert weather.temperature(f"http://127.0.0.1:{server.server_port}") == 21.5

        thread.join()
