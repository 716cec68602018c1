"""What the kernel says of the running process (`/proc/PID`), and that what was given up is gone."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from tests.conftest import Fresh
from tests.fakes.configurations import allowlist, base_config, replacement, secrets_of
from tests.fakes.internet import Internet
from tests.fakes.namespaces import SOURCE
from tests.fakes.readable_python import readable_by_others
from tests.fakes.running_proxy import PROXY_TOKEN, ProxyCA, RunningProxy, command, run_to_end
from tests.fakes.wire_client import Way

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

NOBODY = "65534"
NO_CAPABILITIES = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0000000000000000")
TLS_WAYS = (Way.HTTPS, Way.CONNECT_TLS, Way.SOCKS_TLS)


def statuses(proxy: RunningProxy) -> list[dict[str, str]]:
    """`/proc/PID/status` of every thread."""
    tasks = Path(f"/proc/{proxy.process.pid}/task").iterdir()
    texts = [(task / "status").read_text().splitlines() for task in tasks]
    return [dict(line.split(":\t", 1) for line in lines if ":\t" in line) for lines in texts]


def environment_of(proxy: RunningProxy) -> bytes:
    return Path(f"/proc/{proxy.process.pid}/environ").read_bytes()


# --- in any case ----------------------------------------------------------------------------------------------------


def test_every_proxy_makes_private_files_leaves_no_core_and_gains_no_rights(fresh_proxy: Fresh) -> None:
    proxy = fresh_proxy()

    assert proxy.ask(Way.HTTP).status == 200
    for status in statuses(proxy):
        assert (status["Umask"], status["NoNewPrivs"], status["Seccomp"]) == ("0077", "1", "0")
    assert resource.prlimit(proxy.process.pid, resource.RLIMIT_CORE)[0] == 0


def test_the_environment_is_seen_by_nobody_and_used_all_the_same(fresh_proxy: Fresh) -> None:
    one, two = (replacement(f"SEC_{number}", f"proxy-token-{number}", "ok.test") for number in ("ONE", "TWO"))
    values = {"SEC_ONE": "REAL-one-2f6d1c90", "SEC_TWO": "REAL-two-83ab57e1"}
    proxy = fresh_proxy(transforms=[allowlist(), secrets_of(one)], env=values)

    def arrived(number: str) -> str:
        assert proxy.ask(Way.HTTPS, f"/{number}", headers=f"X-Api-Key: proxy-token-{number}\r\n").status == 200
        return str(proxy.wait_for_arrival(Way.HTTPS, f"/{number}").head.decode())

    before = arrived("ONE")
    rewritten = json.loads(proxy.file.read_text()) | {"transforms": [allowlist(), secrets_of(one, two)]}
    proxy.file.write_text(json.dumps(rewritten))
    proxy.process.send_signal(signal.SIGHUP)
    proxy.wait_for(lambda line: line.get("msg") == "configuration reloaded")

    assert set(environment_of(proxy)) == {0}
    assert "REAL-one-2f6d1c90" in before
    assert "REAL-two-83ab57e1" in arrived("TWO")  # a variable that nothing had asked for at the start


def test_a_key_of_the_ca_that_others_can_read_is_told(
    internet: Internet, proxy_ca: ProxyCA, tmp_path: Path, fresh_proxy: Fresh
) -> None:
    key = tmp_path / "open.key"
    shutil.copy(proxy_ca.key, key)
    key.chmod(0o644)
    proxy = fresh_proxy(base_config(internet, proxy_ca, tls={"ca_cert": str(proxy_ca.certificate), "ca_key": str(key)}))

    told = proxy.wait_for(lambda line: line["msg"] == "CA key can be read by others")

    assert (told["level"], told["file"], told["remedy"]) == ("WARN", str(key), "chmod 600")


# --- another user ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can read, unlike those of pytest."""
    path = Path(tempfile.mkdtemp(prefix="iron-proxy-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def become_nobody(
    folder: Path, internet: Internet, ca: ProxyCA, aside: Path, **changes: Any
) -> RunningProxy:
    """The proxy that is `nobody` once it serves; it was started as root."""
    roots = folder / "roots.pem"
    shutil.copy(internet.ca_file, roots)
    process = {"user": NOBODY, "group": NOBODY, "seccomp": True}
    config = base_config(internet, ca, process=process, **changes)
    proxy = RunningProxy(config, folder, internet, ca, {"SSL_CERT_FILE": str(roots)})
    proxy.prefix = readable_by_others(aside)
    return proxy


@pytest.fixture
def nobody(folder: Path, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path) -> Iterator[RunningProxy]:
    """One, with an audit file in a folder of its own."""
    logs = folder / "logs"
    logs.mkdir()
    os.chown(logs, int(NOBODY), int(NOBODY))
    audit = {"output": "both", "file": str(logs / "audit.jsonl"), "max_size": "64KiB"}
    proxy = become_nobody(folder, internet, proxy_ca, tmp_path, audit=audit)
    proxy.start()
    yield proxy
    proxy.kill()


def test_no_thread_has_any_right_left_and_all_is_served(nobody: RunningProxy) -> None:
    token = f"X-Api-Key: {PROXY_TOKEN}\r\n"
    answers = [nobody.ask(way, "/x", host="swap.test", headers=token).status for way in TLS_WAYS]
    answers.append(nobody.ask(Way.HTTP).status)

    assert answers == [200] * 4, nobody.lines[-5:]
    assert nobody.get_page("/metrics")[0] == 200
    assert set(environment_of(nobody)) == {0}
    for status in statuses(nobody):
        assert {name: status[name] for name in NO_CAPABILITIES} == NO_CAPABILITIES
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert status["Uid"].split() == status["Gid"].split() == [NOBODY] * 4
        assert status["Groups"].split() == [NOBODY]
    # Of a process that can be looked into these belong to its user.
    assert os.stat(f"/proc/{nobody.process.pid}/environ").st_uid == 0
    nobody.check_oracles()
    nobody.ask_to_stop()
    nobody.stop()


def test_the_audit_file_is_put_aside_by_the_new_user(nobody: RunningProxy) -> None:
    first = nobody.directory / "logs" / "audit.jsonl.1"
    deadline = monotonic() + 30
    while not first.exists():
        assert monotonic() < deadline, "never put aside"
        assert nobody.ask(Way.HTTP, f"/{'x' * 4000}").status == 200

    assert first.with_suffix("").stat().st_uid == int(NOBODY)
    assert first.with_suffix("").stat().st_mode & 0o777 == 0o600


def test_a_reload_goes_on_with_the_ca_and_cannot_have_a_privileged_port(nobody: RunningProxy) -> None:
    def reload(**proxy: str) -> dict[str, Any]:
        config = json.loads(nobody.file.read_text())
        config["proxy"] |= proxy
        nobody.file.write_text(json.dumps(config))
        lines = len(nobody.lines)
        nobody.process.send_signal(signal.SIGHUP)
        return nobody.wait_for(lambda line: line.get("event") == "reload", start=lines)

    free = str(nobody.addresses["tunnel"][0]) + ":0"
    kept = reload(denial_body="explain")
    refused = reload(tunnel_listen="127.0.0.1:79")
    again = reload(tunnel_listen=free)

    assert kept["reload"]["not_reloaded"] == ["tls.ca_key"]
    assert "127.0.0.1:79: permission denied" in refused["reason"]
    assert "process.user has given up the right to at the start; restart to bind it" in refused["reason"]
    assert (kept["action"], refused["action"], again["action"]) == ("allow", "reject", "allow")
    assert nobody.ask(Way.HTTPS).status == 200


# --- what must not start --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("process", "sentence"),
    [
        ({"user": "no-such-user"}, 'process.user: there is no user "no-such-user" on this machine'),
        ({"user": "nobody", "group": "no-such-group"}, 'process.group: there is no group "no-such-group"'),
        ({"user": "000"}, "process.user: 000 is root, who keeps every right"),
    ],
)
def test_nothing_is_served_by_anybody_else(
    process: dict[str, str], sentence: str, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path
) -> None:
    ended = run_to_end(base_config(internet, proxy_ca, process=process), tmp_path, internet)

    assert ended.returncode == 1
    assert f"error: {sentence}" in ended.stderr
    assert "starting" not in ended.stderr


def test_an_audit_file_that_could_not_be_put_aside_stops_the_start(
    folder: Path, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path
) -> None:
    audit = {"output": "file", "file": str(folder / "audit.jsonl")}
    proxy = become_nobody(folder, internet, proxy_ca, tmp_path, audit=audit)

    ended = subprocess.run(
        [*proxy.prefix, *command(proxy.file)], env=proxy.environment, capture_output=True, text=True, timeout=20,
        check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert f"audit.file: {NOBODY} cannot write to {folder}" in ended.stderr
    assert f"chown {NOBODY} {folder}" in ended.stderr


def test_who_is_not_root_cannot_become_another(
    folder: Path, internet: Internet, tmp_path: Path, proxy_ca: ProxyCA
) -> None:
    for path in (proxy_ca.certificate, proxy_ca.key):
        shutil.copy(path, folder)
        (folder / path.name).chmod(0o644)
    ca = ProxyCA(folder / proxy_ca.certificate.name, folder / proxy_ca.key.name)
    config = base_config(internet, ca, process={"user": "daemon"})
    proxy = RunningProxy(config, folder, internet, ca)
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    ended = subprocess.run(
        [*readable_by_others(tmp_path), *as_nobody, *command(proxy.file)], env=proxy.environment,
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip

    assert ended.returncode == 1
    assert "process.user: only root can become daemon; start as root, or as that user" in ended.stderr


# --- the filter -----------------------------------------------------------------------------------------------------

FILTERED = f"""
import ctypes, os, socket, subprocess, sys, threading
sys.path.append({str(SOURCE)!r})
from iron_proxy.linux import system_calls
from iron_proxy.runtime.hardening import harden_server
from iron_proxy.runtime.system_call_filter import close_system_calls
harden_server()
close_system_calls()
def attempt(name, act):
    try:
        act()
        print(name, "done")
    except OSError as error:
        print(name, error.strerror)
attempt("execute", lambda: os.execv("/bin/true", ["true"]))
attempt("fork", os.fork)
attempt("subprocess", lambda: subprocess.run(["/bin/true"]))
attempt("mount", lambda: system_calls.mount("tmpfs", "/tmp", "tmpfs"))
attempt("unshare", lambda: system_calls.unshare(system_calls.CLONE_NEWUSER))
attempt("packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
listening = socket.create_server(("127.0.0.1", 0))
attempt("connect", lambda: socket.create_connection(listening.getsockname()))
thread = threading.Thread(target=lambda: attempt("in a thread", os.fork))
thread.start()
thread.join()
"""


def test_what_the_filter_closes_fails_and_what_a_proxy_does_goes_on() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", FILTERED], capture_output=True, text=True, check=True, timeout=20
    )

    refused = "Operation not permitted"
    assert done.stdout.splitlines() == [
        f"execute {refused}", f"fork {refused}", f"subprocess {refused}", f"mount {refused}", f"unshare {refused}",
        "packets Address family not supported by protocol", "connect done", f"in a thread {refused}",
    ]  # fmt: skip
