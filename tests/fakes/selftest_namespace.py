"""
A network namespace with a canary in it, in which proxies and selftests run: all that a selftest can reach is there.

`denied.test` is 203.0.113.9, `allowed.test` 203.0.113.10, and the canary listens on both. No packet leaves the machine.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
from tests.clients.namespace import Namespace
from tests.fakes.run_world import ROOT, interpreter

DENIED, ALLOWED, DENIED_V6 = "203.0.113.9", "203.0.113.10", "2001:db8::9"
_PORTS = (80, 443, 53, 853, 2222)
AGAINST = ("http://denied.test", "https://denied.test", f"http://{DENIED}", f"https://{DENIED}", f"http://[{DENIED_V6}]")


class SelftestNamespace:
    """A context manager. Raises NamespaceUnavailable."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._namespace = Namespace("selftest")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # Not below the folders of pytest, which are for root alone.
            self.folder = Path(tempfile.mkdtemp(prefix="iron-proxy-selftest-"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.folder.chmod(0o755)
            stack.callback(self._namespace.close)
            self._namespace.open()
            self._furnish()
            chain, key = self._certificate()
            serve = [word for address in (DENIED, ALLOWED, f"[{DENIED_V6}]") for word in _serve(address)]
            arguments = ["selftest", *serve, "-cert", str(chain), "-key", str(key)]
            stack.enter_context(self.program(python(*arguments), "canary listening"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _furnish(self) -> None:
        prefix = self._namespace.prefix(dns=True)
        for address in (f"{DENIED}/32", f"{ALLOWED}/32", f"{DENIED_V6}/128"):
            subprocess.run([*prefix, "ip", "addr", "add", address, "dev", "lo"], check=True)
        hosts = f"{ALLOWED} allowed.test\n{DENIED} denied.test\n127.0.0.1 localhost\n"
        (Path("/etc/netns") / self._namespace.with_dns / "hosts").write_text(hosts)

    def _certificate(self) -> tuple[Path, Path]:
        ca = trustme.CA()
        self.ca_file = self.folder / "canary-ca.pem"
        ca.cert_pem.write_to_path(str(self.ca_file))
        leaf = ca.issue_cert("allowed.test", "denied.test", DENIED)
        chain, key = self.folder / "canary.pem", self.folder / "canary.key"
        chain.write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(key))
        return chain, key

    def program(self, command: Sequence[str], ready: str, *, is_ours: bool = True) -> "Program":
        """A program in the namespace that runs until the `with` ends; a line with `ready` says that it serves."""
        environment = self.environment()
        if not is_ours:
            del environment["PYTHONPATH"]  # it has packages of its own
        return Program([*self._namespace.prefix(dns=True), *command], ready, environment, self.folder)

    def environment(self) -> dict[str, str]:
        """Little, so that a developer's own variables change nothing."""
        site_packages = next(path for path in sys.path if path.endswith("site-packages"))
        return {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",  # so that a line which says that it serves is read when it does
            "PYTHONPATH": f"{ROOT / 'src'}:{site_packages}", "SSL_CERT_FILE": str(self.ca_file),
        }  # fmt: skip

    def selftest(
        self, *flags: str, before: Sequence[str] = (), user: str = "root", against: Sequence[str] = AGAINST,
        environment: Mapping[str, str] | None = None,
    ) -> "Result":  # fmt: skip
        """Run a selftest to its end, perhaps by another program (`before`) and as another user."""
        entry = pwd.getpwnam(user)
        change = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        endpoints = [word for url in against for word in ("-against", url)]
        words = [*self._namespace.prefix(dns=True), *(change if entry.pw_uid else [])]
        words += [interpreter(user), *before] if before else []
        done = subprocess.run(
            [*words, interpreter(user), "-m", "iron_proxy", "selftest", "-json", "-timeout", "3", *endpoints, *flags],
            env=self.environment() | dict(environment or {}), cwd=self.folder, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout.startswith("{"), done.stderr
        return Result(done.returncode, json.loads(done.stdout), done.stderr)


class Result:
    """How a selftest ended."""

    def __init__(self, status: int, report: dict[str, Any], stderr: str) -> None:
        self.status, self.report, self.stderr = status, report, stderr
        self.verdicts: dict[str, str] = {case["name"]: case["verdict"] for case in report["cases"]}

    def of(self, verdict: str) -> set[str]:
        """The names of the cases that ended so."""
        return {name for name, each in self.verdicts.items() if each == verdict}

    def evidence(self, verdict: str) -> dict[str, list[str]]:
        """What was seen of them."""
        return {case["name"]: case["evidence"] for case in self.report["cases"] if case["verdict"] == verdict}


class Program:
    """Started at `with`, and ended with it."""

    def __init__(self, command: Sequence[str], ready: str, environment: Mapping[str, str], folder: Path) -> None:
        self._command, self._ready = command, ready
        self._environment, self._folder = environment, folder
        self._is_ready = threading.Event()
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, env=self._environment, cwd=self._folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self._is_ready.wait(60)
        if not any(self._ready in line for line in self.lines):
            self.__exit__(None, None, None)
            raise AssertionError(f"{self._command} is not ready:\n{''.join(self.lines)}")
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line)
                if self._ready in line:
                    self._is_ready.set()
        self._is_ready.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._reader.join()


def python(*arguments: str) -> list[str]:
    """Our own command line."""
    return [sys.executable, "-m", "iron_proxy", *arguments]


def _serve(address: str) -> list[str]:
    return [word for port in _PORTS for word in ("-serve", f"{address}:{port}")]
