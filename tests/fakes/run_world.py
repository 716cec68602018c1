"""
A namespace that is the whole internet to `iron-proxy run`, as root or as a user without any right.

Names resolve by its resolv.conf to an origin at 203.0.113.5 (`tests/clients/origins/run_origin.py`), so that a run
needs no configuration: the origin's CA comes by SSL_CERT_FILE, as a corporate one does.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from tests.clients.namespace import Namespace
from tests.clients.world import Origin

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "203.0.113.5"
NAMES = ("example.com", "www.example.com", "api.example.com", "pypi.test", "npm.test", "git.test", "other.test")
SECRET = "sk-example-5c1f6e0b9d7a4e21"  # the one of docs/tutorial/first-run.md
NOBODY = "nobody"


class Done(NamedTuple):
    """How a run ended."""

    status: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The object of `-summary json`: the last line."""
        summary = json.loads(self.err.splitlines()[-1])
        assert isinstance(summary, dict)
        return summary


class RunWorld:
    """`open`, then `run`, then `close`. `folder` is for all users to write in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.namespace = Namespace("run")
        self.ca_file = folder / "origin-ca.pem"
        self._origin: Origin | None = None

    def open(self) -> None:
        """Raises NamespaceUnavailable."""
        self.namespace.open()
        inside = self.namespace.prefix(dns=True)
        for command in (["ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo"], ["true"]):
            subprocess.run([*inside, *command], check=True, capture_output=True)
        resolv = Path("/etc/netns") / self.namespace.with_dns / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(self.ca_file))
        ca.issue_cert(*NAMES, ADDRESS).private_key_and_cert_chain_pem.write_to_path(str(self.folder / "origin.pem"))
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SECRET": SECRET, "NAMES": " ".join(NAMES),
            "CERTIFICATE": str(self.folder / "origin.pem"), "FOLDER": str(self.folder),
        }  # fmt: skip
        command = [*inside, sys.executable, "-m", "tests.clients.origins.run_origin"]
        self._origin = Origin(command, environment, self.folder / "origin.log")
        self._origin.wait_for("ready")

    def close(self) -> None:
        if self._origin is not None:
            self._origin.stop()
        self.namespace.close()

    # --- running ----------------------------------------------------------------------------------------------------

    def run(
        self, *arguments: str | Path, user: str = "root", environment: Mapping[str, str] | None = None, stdin: str = "",
        cwd: Path | None = None, timeout: float = 60.0,
    ) -> Done:  # fmt: skip
        """Run `iron-proxy run ARGUMENTS` to its end."""
        done = subprocess.run(
            self.command(*arguments, user=user), env=self.environment(user, environment), input=stdin.encode(),
            cwd=cwd or self.folder, capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def command(self, *arguments: str | Path, user: str = "root") -> list[str]:
        """The command line, in the namespace and as the user."""
        entry = pwd.getpwnam(user)
        change = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        words = [*self.namespace.prefix(dns=True), *(change if entry.pw_uid else []), interpreter(user)]
        return [*words, "-m", "iron_proxy", "run", *map(str, arguments)]

    def environment(self, user: str = "root", more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Little, so that a developer's own variables change nothing."""
        site_packages = next(path for path in sys.path if path.endswith("site-packages"))
        return {
            "PATH": os.environ["PATH"] if user == "root" else "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.folder), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{ROOT / 'src'}:{site_packages}", "SSL_CERT_FILE": str(self.ca_file), **(more or {}),
        }  # fmt: skip

    # --- what the origin saw ----------------------------------------------------------------------------------------

    def mark(self) -> int:
        """What has arrived before, for `arrived`."""
        assert self._origin is not None
        return len(self._origin.reports)

    def arrived(self, start: int = 0) -> list[dict[str, str]]:
        """The requests since a mark."""
        assert self._origin is not None
        return [report["request"] for report in self._origin.reports[start:] if "request" in report]


def interpreter(user: str) -> str:
    """One that the user may start: a virtual environment below /root is for root alone."""
    if user == "root":
        return sys.executable
    known = [sys.executable, shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")]
    return next((path for path in known if path and _may_start(path, user)), "")


def _may_start(path: str, user: str) -> bool:
    # Without capabilities, which setpriv itself would still have at the moment of its exec.
    entry = pwd.getpwnam(user)
    attempt = f"import os; os.setgroups([]); os.setgid({entry.pw_gid}); os.setuid({entry.pw_uid}); " \
              f"os.execv({path!r}, [{path!r}, '-c', ''])"  # fmt: skip
    return subprocess.run([sys.executable, "-c", attempt], capture_output=True, check=False).returncode == 0
