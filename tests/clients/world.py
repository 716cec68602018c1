"""
One proxy process and its origins in a network namespace, and the way to run a client there by one of the routings.

    proxy   127.0.0.1      ports 53, 80, 443 and the tunnel's 8080
    web     127.0.1.1      web, git, pypi, npm, page .test   origins/web_origin.py
            127.0.1.2      ws.test
    files   127.0.1.3      files, open .test                 origins/files_origin.py
    grpc    127.0.1.4      grpc.test                         origins/grpc_origin.py
    aws     127.0.1.5      …s3.eu-west-1.amazonaws.com       origins/aws_origin.py

Every origin answers 401 to whatever does not carry the real secret, and clients only know the proxy token: one that
succeeds had its token replaced. For open.test there is no secret, and none is asked for.
"""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.clients.jobs import Routing
from tests.clients.namespace import PROXY_ADDRESS, Namespace
from tests.fakes.configurations import allowlist, base_config, replacement, secrets_of
from tests.fakes.confinement import check_confined
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import PROXY_TOKEN, SECRETS, Line, ProxyCA, RunningProxy

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAMS = HERE / "programs"
SECRET = SECRETS["SEC_REP"]
TUNNEL = f"{PROXY_ADDRESS}:8080"
HOSTS = {
    **dict.fromkeys(("web.test", "git.test", "pypi.test", "npm.test", "page.test"), "127.0.1.1"),
    "ws.test": "127.0.1.2",
    "files.test": "127.0.1.3",
    "open.test": "127.0.1.3",
    "grpc.test": "127.0.1.4",
    # The names that boto3 makes itself: nothing tells it of another endpoint.
    "s3.eu-west-1.amazonaws.com": "127.0.1.5",
    "bucket.s3.eu-west-1.amazonaws.com": "127.0.1.5",
}
WITHOUT_SECRETS = "open.test"


class Origin:
    """A process that serves; it prints one JSON object a line, the first of which says that it is ready."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.reports: list[Line] = []
        self._log = log
        self._arrived = threading.Condition()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        self._reader = threading.Thread(target=self._collect, name="origin")
        self._reader.start()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._arrived:
                    self.reports.append(json.loads(line))
                    self._arrived.notify_all()
        with self._arrived:
            self.reports.append({"ended": True})
            self._arrived.notify_all()

    def wait_for(self, key: str, start: int = 0, timeout: float = 20.0) -> Line:
        """The first report that has a key. Raises AssertionError with what the process said on its way out."""

        def found() -> list[Line]:
            return [report for report in self.reports[start:] if key in report or "ended" in report]

        with self._arrived:
            arrived = self._arrived.wait_for(found, timeout)
        assert arrived, f"no {key} after {timeout} seconds; {self._log.read_text()[-2000:]}"
        assert key in arrived[0], self._log.read_text()[-2000:]
        return arrived[0]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join()


class World:
    """What clients meet. `start` starts the proxy and the DNS server; each origin starts when it is first wanted."""

    def __init__(
        self, namespace: Namespace, internet: Internet, ca: ProxyCA, directories: pytest.TempPathFactory
    ) -> None:
        self.namespace, self.internet, self.ca = namespace, internet, ca
        self.new_directory = directories.mktemp
        self.directory = directories.mktemp("world")
        self.python = sys.executable
        self.origins: dict[str, Origin] = {}
        self.folders: dict[str, Path] = {}
        self._checksum = ""
        self.certificate = self.directory / "origin.pem"
        internet.ca.issue_cert(*HOSTS).private_key_and_cert_chain_pem.write_to_path(str(self.certificate))

    def _configuration(self, resolver: str) -> dict[str, Any]:
        return base_config(
            self.internet, self.ca,
            dns={"listen": f"{PROXY_ADDRESS}:53", "proxy_ip": PROXY_ADDRESS, "upstream_resolver": resolver},
            proxy={
                "http_listen": f"{PROXY_ADDRESS}:80",
                "https_listen": f"{PROXY_ADDRESS}:443",
                "tunnel_listen": TUNNEL,
                "upstream_deny_cidrs": ["127.0.0.0/24"],
            },
            transforms=[
                allowlist(domains=list(HOSTS), cidrs=[], rules=[]),
                secrets_of(
                    *(replacement("SEC_REP", host=host, match_query=True) for host in HOSTS if host != WITHOUT_SECRETS)
                ),
            ],
        )  # fmt: skip

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        resolver = self.origin("web").reports[0]["resolver"]
        self.proxy = RunningProxy(self._configuration(resolver), self.directory, self.internet, self.ca)
        self.proxy.prefix = self.namespace.prefix(dns=False)
        self.proxy.start()
        self.serves_http2 = self._chosen_protocol() == "h2"

    def stop(self) -> None:
        """End the proxy as an operator would."""
        self.proxy.process.send_signal(signal.SIGTERM)
        assert self.proxy.wait_for_exit() == 0

    def kill(self) -> None:
        for origin in self.origins.values():
            origin.stop()
        if hasattr(self, "proxy") and hasattr(self.proxy, "process"):
            self.proxy.kill()

    def origin(self, name: str) -> Origin:
        """The running origin of a name, ready to serve."""
        if name not in self.origins:
            environment = {**self._plain_environment(), "SECRET": SECRET, "CERTIFICATE": str(self.certificate)}
            folder = self.folders[name] = self.new_directory(name)
            environment |= {"HOSTS": json.dumps(HOSTS), "PYTHONPATH": str(ROOT), "FOLDER": str(folder)}
            command = [sys.executable, str(HERE / "origins" / f"{name}_origin.py")]
            log = self.directory / f"{name}.log"
            self.origins[name] = Origin([*self.namespace.prefix(dns=False), *command], environment, log)
        self.origins[name].wait_for("ready")
        return self.origins[name]

    def checksum_of_file(self) -> str:
        """SHA-256 of the file that clients download."""
        self.origin("files")
        if not self._checksum:
            self._checksum = hashlib.sha256((self.folders["files"] / "files" / "random").read_bytes()).hexdigest()
        return self._checksum

    def _chosen_protocol(self) -> str:
        """What the proxy picks when a client offers HTTP/2 and HTTP/1.1."""
        done = self.run(Routing.DNS, [sys.executable, str(PROGRAMS / "chosen_protocol.py"), "web.test"])
        return done.stdout.strip()

    # --- running clients --------------------------------------------------------------------------------------------

    def run(
        self, routing: Routing, command: list[str], *, environment: Mapping[str, str] | None = None,
        cwd: Path | None = None, timeout: float = 60.0, check: bool = True,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a client to its end; with `check` it has to succeed."""
        done = subprocess.run(
            [*self.namespace.prefix(dns=routing is Routing.DNS), *command],
            env={**self.environment(routing), **(environment or {})}, cwd=cwd or self.directory,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done

    def run_program(self, routing: Routing, name: str, *arguments: str, **keys: Any) -> Any:
        """Run a file of `programs/` and return the JSON that it prints."""
        interpreter = [sys.executable] if name.endswith(".py") else ["node"]
        done = self.run(routing, [*interpreter, str(PROGRAMS / name), *arguments], **keys)
        return json.loads(done.stdout)

    @contextmanager
    def running(self, routing: Routing, command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
        """A client that runs as long as the block does; its output goes to a file of its name."""
        with (self.directory / "running.log").open("wb") as output:
            process = subprocess.Popen(
                [*self.namespace.prefix(dns=routing is Routing.DNS), *command],
                env={**self.environment(routing), **environment}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, process_group=0,
            )  # fmt: skip
            try:
                yield
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def environment(self, routing: Routing) -> dict[str, str]:
        """What docs/reference/clients.md lists; a user sets all of it, whatever he runs."""
        ca = str(self.ca.certificate)
        trust = dict.fromkeys(
            (
                "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO",
                "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE",
            ),
            ca,
        )  # fmt: skip
        proxies: dict[str, str] = {}
        if routing is Routing.HTTPS_PROXY:
            proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), f"http://{TUNNEL}")
        if routing is Routing.SOCKS5:
            proxies = dict.fromkeys(("ALL_PROXY", "SOCKS_PROXY"), f"socks5h://{TUNNEL}")
        proxies |= {name.lower(): value for name, value in proxies.items()}
        home = {"HOME": str(self.directory), "PROXY_TOKEN": PROXY_TOKEN, "PYTHONPATH": str(ROOT)}
        return {**self._plain_environment(), **home, **trust, **proxies}

    @staticmethod
    def _plain_environment() -> dict[str, str]:
        return {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}

    # --- what must hold ---------------------------------------------------------------------------------------------

    def begin_test(self) -> None:
        self._lines_before = len(self.proxy.lines)

    def check(self) -> None:
        """The process lives, says nothing of a bug, and names no secret."""
        assert self.proxy.process.poll() is None, "".join(self.proxy.lines[-5:])
        lines = self.proxy.parsed(self._lines_before)
        assert not [line for line in lines if line["msg"] in ("connection failed", "event loop error")], lines
        check_confined(self.proxy.secrets, json.dumps(lines).encode(), "stderr")

    def count_records(self, host: str) -> int:
        """How many requests for a host were recorded since the test began."""
        return sum(line["msg"] == "request" and line["host"] == host for line in self.proxy.parsed(self._lines_before))

    def wait_for_records(self, host: str, action: str, count: int) -> None:
        """So many requests for a host have ended in this way since the test began."""
        seen = itertools.count(1)

        def is_last(line: Line) -> bool:
            return line.get("host") == host and line.get("action") == action and next(seen) == count

        self.proxy.wait_for(is_last, start=self._lines_before)

    def check_route(self, routing: Routing, host: str) -> None:
        """The newest request for a host that was let through came by this routing, with its token replaced if any."""

        def fits(line: Line) -> bool:
            return (
                line["msg"] == "request"
                and line["host"] == host
                and line["action"] == "allow"
                and ("tunnel" in line) == routing.is_tunnel
                and ('"swapped"' in json.dumps(line["request_transforms"])) == (host != WITHOUT_SECRETS)
            )

        self.proxy.wait_for(fits, start=self._lines_before)
