"""OS-03 and OS-09: it serves with nothing but its configuration, and asks of the kernel what a proxy has to."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.configurations import base_config
from tests.fakes.internet import Internet
from tests.fakes.readable_python import readable_by_others
from tests.fakes.running_proxy import PROXY_TOKEN, ProxyCA, RunningProxy
from tests.fakes.wire_client import ALL_WAYS, Way

NOBODY = "65534"

# Every file system is made read-only, where it can be; then nobody, with no right and an empty environment.
_ALONE = f"""
mount -o remount,ro,bind / 2>/dev/null
while read -r _ folder _; do mount -o "remount,ro,bind" "$folder" 2>/dev/null; done </proc/mounts
touch /tmp/iron-proxy-was-here 2>/dev/null && {{ echo "not read-only" >&2; exit 77; }}
exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --bounding-set=-all --inh-caps=-all \
    env -i SSL_CERT_FILE="$SSL_CERT_FILE" SEC_INJ="$SEC_INJ" SEC_Q="$SEC_Q" SEC_REP="$SEC_REP" "$@"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can read, unlike those of pytest."""
    path = Path(tempfile.mkdtemp(prefix="iron-proxy-", dir="/var/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def readable_copy(folder: Path, internet: Internet, ca: ProxyCA) -> tuple[ProxyCA, Path]:
    """The files of both CAs, where nobody can read them and nobody else has to."""
    copies = [Path(shutil.copy(each, folder)) for each in (ca.certificate, ca.key, internet.ca_file)]
    for copy in copies:
        os.chown(copy, int(NOBODY), int(NOBODY))
    return ProxyCA(copies[0], copies[1]), copies[2]


@pytest.mark.root
def test_os_03_nobody_on_a_read_only_disk_without_a_home_or_an_environment(
    folder: Path, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path
) -> None:
    ca, roots = readable_copy(folder, internet, proxy_ca)
    outer = readable_by_others(tmp_path)
    proxy = RunningProxy(base_config(internet, ca), folder, internet, proxy_ca, {"SSL_CERT_FILE": str(roots)})
    proxy.prefix = [*outer, "unshare", "-m", "sh", "-c", _ALONE, "sh"]
    proxy.start()
    try:
        token = f"X-Api-Key: {PROXY_TOKEN}\r\n"
        assert {proxy.ask(way).status for way in ALL_WAYS} == {200}
        assert proxy.ask(Way.HTTPS, host="swap.test", headers=token).status == 200
        identity = Path(f"/proc/{proxy.process.pid}/status").read_text()
        proxy.check_oracles()
        proxy.ask_to_stop()
        proxy.stop()
    finally:
        proxy.kill()

    assert re.search(rf"Uid:(\t{NOBODY}){{4}}\n", identity)
    assert re.search(r"CapEff:\t0+\n", identity)
    assert sorted(each.name for each in folder.iterdir()) == sorted(
        ["proxy.yaml", ca.certificate.name, ca.key.name, roots.name]
    )


# --- under strace ---------------------------------------------------------------------------------------------------

_TRACED = (
    "connect,sendto,sendmsg,sendmmsg,execve,execveat,fork,vfork,clone,clone3,"
    "openat,open,creat,mkdir,mkdirat,link,linkat,symlink,rename"
)
_FAMILY = re.compile(r"sa_family=(\w+)")
_DESTINATION = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    if shutil.which("strace") is None:
        pytest.skip("no strace on this machine")
    return tmp_path / "trace"


def strace(file: Path) -> list[str]:
    """What to put before a command whose calls are written to a file; what is started is still the proxy itself."""
    return ["strace", "-D", "-f", "-qq", "-s", "256", "-e", f"trace={_TRACED}", "-o", str(file)]


@pytest.fixture
def traced(tmp_path: Path, trace: Path, internet: Internet, proxy_ca: ProxyCA) -> Iterator[RunningProxy]:
    proxy = RunningProxy(base_config(internet, proxy_ca), tmp_path, internet, proxy_ca)
    proxy.prefix = strace(trace)
    proxy.start()
    yield proxy
    proxy.kill()


def test_os_09_it_connects_where_it_may_and_makes_no_process_and_no_file(
    traced: RunningProxy, trace: Path, internet: Internet
) -> None:
    for way in ALL_WAYS:
        assert traced.ask(way).status == 200
        assert traced.ask(way, host="other.test").status == 403
        assert traced.ask(way, host="lo.test").status in (502, 403)
    traced.check_oracles()
    traced.ask_to_stop()
    traced.stop()
    calls = [line.partition(" ")[2].strip() for line in trace.read_text().splitlines()]

    resolver, _, resolver_port = internet.dns.address.rpartition(":")
    named = [call for call in calls if call.startswith(("connect", "send")) and _FAMILY.search(call)]
    assert {family for call in named for family in _FAMILY.findall(call)} == {"AF_INET"}
    assert {(host, int(port)) for call in named for port, host in _DESTINATION.findall(call)} == {
        (internet.allowed.address, internet.plain_port), (internet.allowed.address, internet.tls_port),
        (resolver, int(resolver_port)),
    }  # fmt: skip
    assert [call for call in calls if call.startswith("execve")] == calls[:1], "another program was started"
    assert [call for call in calls if makes_a_process(call)] == []
    assert [call for call in calls if makes_a_file(call)] == []


def makes_a_process(call: str) -> bool:
    """A clone that is no thread."""
    return call.startswith(("clone", "fork", "vfork")) and "CLONE_THREAD" not in call and "resumed" not in call


def makes_a_file(call: str) -> bool:
    return "O_CREAT" in call or call.startswith(("creat(", "mkdir", "link", "symlink", "rename"))
