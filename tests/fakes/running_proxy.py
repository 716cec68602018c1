"""
The real process, `python -m iron_proxy -config FILE`, with what must hold after every test (the oracles).

    O1  no real secret in stderr or in what clients got           O4  no connection or lookup for a forbidden origin
    O2  the process lives and /healthz says OK                    O5  no connection, descriptor, thread, memory is left
    O3  every line of stderr is one JSON object, and              O6  SIGTERM ends it within ten seconds, status 0
        there is one `request` record per request that was started

Fixtures `running` and `proxy` (tests/conftest.py) start it and check the oracles. Nothing sleeps: a thread collects
stderr, and waiting is waiting for a line.
"""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from tests.fakes.confinement import check_confined
from tests.fakes.internet import FORBIDDEN_NAMES, Internet
from tests.fakes.leftovers import Leftovers
from tests.fakes.wire_client import (
    Answer,
    Session,
    Split,
    TunnelRefused,
    Way,
    connect,
    open_connect_tunnel,
    open_socks_tunnel,
)

SECRETS = {
    "SEC_INJ": "REAL-inj-6b1f9c2e",
    "SEC_Q": "REAL-q-0d4c77aa",
    "SEC_REP": "REAL-rep-93fe51b7",
}
PROXY_TOKEN = "proxy-token-rep-0001"

# What the last wall before the log says when it had to mask a secret (runtime/last_wall.py).
WALL_HIT = "secret masked in log output"

Line = dict[str, Any]
Configuration = Mapping[str, Any] | str


class ProxyCA(NamedTuple):
    """The CA that the proxy signs leaves with, as files."""

    certificate: Path
    key: Path

    def client_context(self) -> ssl.SSLContext:
        """A client that trusts this CA only."""
        return ssl.create_default_context(cafile=str(self.certificate))


class RunningProxy:
    """One process. `start` returns once every listener has said that it is starting."""

    def __init__(
        self, configuration: Configuration, directory: Path, internet: Internet, ca: ProxyCA,
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.internet, self.ca = internet, ca
        self.directory = directory
        self.file = write_configuration(directory, configuration)
        self.environment = process_environment(internet, environment)
        self.secrets = [*SECRETS.values()]
        self.command = command(self.file)  # another installation has another
        self.prefix: list[str] = []  # a program that runs it elsewhere, such as `ip netns exec`
        self.lines: list[str] = []
        self.started = 0  # requests that were started: each owes a record
        self.may_leak = False  # the test itself makes an origin send a secret back
        self.sessions: list[Session] = []
        self._arrived = threading.Condition()
        self._context = ca.client_context()
        self._closed = False

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self, until: Callable[[], bool] | None = None, **options: Any) -> "RunningProxy":
        """Start the process and wait until it says that it serves; or, where it says nothing, `until` that holds."""
        self.process = subprocess.Popen(
            [*self.prefix, *self.command], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._collect, name="stderr")
        self._reader.start()
        if until is None:
            self.wait_for(lambda line: line.get("msg") == "iron-proxy starting")
        else:
            while not until():
                assert self.process.poll() is None, "".join(self.lines)
        self.addresses = {
            line["msg"].partition(" ")[0]: split_address(line["addr"])
            for line in self.parsed()
            if line["msg"].removesuffix(" (sni-only)").endswith("starting") and "addr" in line
        }
        self.leftovers = Leftovers(self.process.pid, self._may_keep)
        self._mark()
        return self

    def _collect(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            for raw in stderr:
                with self._arrived:
                    self.lines.append(raw.decode("utf-8"))
                    self._arrived.notify_all()
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def ask_to_stop(self) -> None:
        """SIGTERM, once nobody holds a connection any more."""
        for session in self.sessions:
            session.close()
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """O6, and the total of O3: see that it ends as asked."""
        status = self.wait_for_exit(10.5)
        assert status == 0, "".join(self.lines[-5:])
        assert len(self.records()) == self.started
        assert not [line for line in self.parsed() if line["msg"] == WALL_HIT]

    def wait_for_exit(self, timeout: float = 10.5) -> int:
        """The exit status, once all of stderr has been read."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def kill(self) -> None:
        """End it without asking, for a test that failed half-way."""
        for session in self.sessions:
            session.close()
        if self.process.poll() is None:
            self.process.kill()
        self.wait_for_exit()

    # --- what it says -----------------------------------------------------------------------------------------------

    def parsed(self, start: int = 0) -> list[Line]:
        """Every line of stderr as an object; O3 fails here when one is not."""
        with self._arrived:
            lines = self.lines[start:]
        return [parse_line(line) for line in lines]

    def records(self) -> list[Line]:
        """The audit records of requests, from the start of the process."""
        return [line for line in self.parsed() if line.get("msg") == "request"]

    def events(self) -> list[Line]:
        """The audit records of what is no request, since the test began."""
        return [line for line in self.parsed(self._lines_before) if line.get("msg") == "event"]

    def new_records(self) -> list[Line]:
        """The records since the test began, once all that are owed have come."""
        self.settle()
        return [line for line in self.parsed(self._lines_before) if line.get("msg") == "request"]

    def last_record(self) -> Line:
        """The newest record, once all that are owed have come."""
        return self.new_records()[-1]

    def wait_for(self, wanted: Callable[[Line], bool], timeout: float = 10.0, start: int = 0) -> Line:
        """The first line that is wanted. Raises TimeoutError, with what was said instead."""
        deadline = monotonic() + timeout
        with self._arrived:
            while True:
                while start < len(self.lines):
                    line = parse_line(self.lines[start])
                    if wanted(line):
                        return line
                    start += 1
                left = deadline - monotonic()
                if self._closed or left <= 0 or not self._arrived.wait(left):
                    raise TimeoutError("no such line in:\n" + "".join(self.lines[-20:]))

    def wait_for_event(self, event: str, timeout: float = 10.0) -> Line:
        """The first event of this kind since the test began."""
        return self.wait_for(lambda line: line.get("event") == event, timeout, self._lines_before)

    def wait_for_events(self, count: int) -> list[Line]:
        """The events since the test began, once there are so many. Raises TimeoutError."""
        self.wait_for(lambda line: line.get("msg") == "event" and len(self.events()) >= count, start=self._lines_before)
        return self.events()

    def settle(self) -> None:
        """Wait until every request that was started has its record."""
        deadline = monotonic() + 10.0
        with self._arrived:
            while (count := sum('"msg":"request"' in line for line in self.lines)) < self.started:
                left = deadline - monotonic()
                if self._closed or left <= 0 or not self._arrived.wait(left):
                    raise AssertionError(f"{count} records for {self.started} requests:\n{''.join(self.lines[-10:])}")

    # --- speaking to it ---------------------------------------------------------------------------------------------

    def port_for(self, way: Way) -> int:
        """The origins' port that fits a way in."""
        return self.internet.tls_port if way.is_tls else self.internet.plain_port

    def authority(self, way: Way, host: str) -> str:
        """`host:port` of an origin, for the Host field."""
        return f"{host}:{self.port_for(way)}"

    def open(self, way: Way, host: str, port: int | None = None, *, sni: str | None = None) -> Session:
        """Connect; CONNECT and SOCKS5 count as one request. Raises TunnelRefused."""
        port = self.port_for(way) if port is None else port
        sock = self.connect(way, port)
        try:
            if way.is_tunnel:
                self.started += 1
                if way.is_socks:
                    open_socks_tunnel(sock, host, port)
                else:
                    open_connect_tunnel(sock, f"{host}:{port}")
            if way.is_tls:
                sock = self._context.wrap_socket(sock, server_hostname=host if sni is None else sni)
        except BaseException:
            sock.close()
            raise
        session = Session(sock)
        self.sessions.append(session)
        return session

    def connect(self, way: Way, port: int) -> socket.socket:
        """A bare TCP connection to where a way begins; `port` is the origin's, of which a listener learns nothing."""
        return connect(self.addresses["tunnel" if way.is_tunnel else "https" if way.is_tls else "http"])

    def raw(self, listener: str) -> Session:
        """A bare TCP connection to a listener."""
        session = Session(connect(self.addresses[listener]))
        self.sessions.append(session)
        return session

    def exchange(
        self, way: Way, raw: bytes, *, host: str = "ok.test", method: str = "GET", split: Split | None = None
    ) -> Answer:
        """Open, send one request as it is, read its answer, close."""
        with self.open(way, host) as session:
            self.started += 1
            session.send(raw, split)
            return session.read_answer(method)

    def ask(
        self, way: Way, path: str = "/", *, host: str = "ok.test", method: str = "GET", headers: str = "",
        body: bytes = b"", host_field: str | None = None,
    ) -> Answer:  # fmt: skip
        """A well-formed request. `headers` are whole lines; a refused tunnel is an Answer with its status."""
        host_field = self.authority(way, host) if host_field is None else host_field
        raw = request(path, host_field, method=method, headers=headers, body=body)
        try:
            return self.exchange(way, raw, host=host, method=method)
        except TunnelRefused as refusal:
            return Answer(status=403 if way.is_socks and refusal.code == 2 else refusal.code)

    def get_page(self, path: str) -> tuple[int, bytes]:
        """A page of `metrics.listen`."""
        host, port = self.addresses["metrics"]
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def descriptors(self) -> int:
        """How many files and sockets the process holds."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self) -> float:
        """How long the process has computed."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # --- the oracles ------------------------------------------------------------------------------------------------

    def _mark(self) -> None:
        with self._arrived:
            self._lines_before = len(self.lines)
        self._accepted_before = [recorder.accepted for recorder in self.internet.off_limits]
        self._queries_before = len(self.internet.dns.queries)
        self._requests_before = {id(each): len(each.requests) for each in self.internet.recorders}
        self.leftovers.begin()

    def begin_test(self) -> None:
        """From here on the oracles look."""
        self.may_leak = False
        self._mark()

    def arrived(self) -> list[Any]:
        """The requests that reached any allowed origin since the test began."""
        internet = self.internet
        permitted = [internet.allowed, internet.allowed_tls, internet.literal, internet.literal_tls]
        return [each for recorder in permitted for each in recorder.requests[self._requests_before[id(recorder)] :]]

    def wait_for_arrival(self, way: Way, path: str) -> Any:
        """The request for a path, once it has reached the allowed origin of this way."""
        recorder = self.internet.allowed_tls if way.is_tls else self.internet.allowed
        return recorder.wait_for(path, self._requests_before[id(recorder)])

    def check_oracles(self) -> None:
        """O1 to O5; closes the test's sessions."""
        received = b"".join(bytes(session.received) for session in self.sessions)
        for session in self.sessions:
            session.close()
        self.sessions.clear()
        assert self.process.poll() is None, "".join(self.lines[-5:])
        assert self.get_page("/healthz") == (200, b"OK")
        self.settle()
        lines = self.parsed(self._lines_before)
        assert len(self.records()) == self.started, "more records than requests"
        assert not [line for line in lines if line["msg"] in ("connection failed", "event loop error")], lines
        # The last wall masks what must not be there, which would hide a leak from the line below.
        assert not [line for line in lines if line["msg"] == WALL_HIT], lines
        check_confined(self.secrets, json.dumps(lines).encode(), "stderr")
        if not self.may_leak:
            check_confined(self.secrets, received, "what clients received")
        assert [recorder.accepted for recorder in self.internet.off_limits] == self._accepted_before
        asked = {query.name for query in self.internet.dns.queries[self._queries_before :]}
        assert not [name for name in asked if any(word in name for word in FORBIDDEN_NAMES)]
        self.leftovers.check()

    def _may_keep(self, upstreams: int) -> int:
        """Idle connections of the pool; beyond them one of HTTP/2 per host, which its requests share."""
        page = self.get_page("/metrics")[1].decode()
        idle = int(float(page.partition("\niron_proxy_upstream_idle_connections ")[2].split()[0]))
        return idle if upstreams <= idle else idle + len({record["host"] for record in self.records()})


def request(path: str, host: str, *, method: str = "GET", headers: str = "", body: bytes = b"") -> bytes:
    """A well-formed request; a body gets a Content-Length."""
    if body:
        headers += f"Content-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode() + body


def parse_line(line: str) -> Line:
    """O3: one JSON object a line."""
    value = json.loads(line)
    assert isinstance(value, dict)
    assert {"time", "level", "msg"} <= value.keys()
    return value


def split_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:80`, `[::1]:80`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def command(file: Path) -> list[str]:
    """How the tests start the proxy."""
    return [sys.executable, "-m", "iron_proxy", "-config", str(file)]


def write_configuration(directory: Path, configuration: Configuration) -> Path:
    """A configuration file: YAML as given, or a mapping (JSON is YAML)."""
    text = configuration if isinstance(configuration, str) else json.dumps(configuration, indent=1)
    file = directory / "proxy.yaml"
    file.write_text(text)
    return file


def process_environment(internet: Internet, more: Mapping[str, str] | None) -> dict[str, str]:
    """What the process sees: little, so that a developer's own variables change nothing."""
    kept = {
        name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_START")
    }
    return {**kept, "SSL_CERT_FILE": str(internet.ca_file), **SECRETS, **(more or {})}


def run_to_end(
    configuration: Configuration, directory: Path, internet: Internet, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Start a proxy that is expected to end by itself, and return what it said."""
    file = write_configuration(directory, configuration)
    return subprocess.run(
        command(file), env=process_environment(internet, environment), capture_output=True, text=True, timeout=10,
        check=False,
    )  # fmt: skip
