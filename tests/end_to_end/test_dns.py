"""DNS with programs that nobody here wrote: dig and getent, in a namespace where every address is the proxy's own."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.configurations import allowlist, base_config
from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, RunningProxy

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="namespaces need root and the ip program"),
    pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not installed"),
]

NETNS = f"iron-proxy-dns-{os.getpid()}"
SOMEWHERE4, SOMEWHERE6 = "8.8.8.8", "2001:4860:4860::8888"


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A network namespace with loopback only, in which every address is local, as in a jail."""
    made = subprocess.run(["ip", "netns", "add", NETNS], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"this machine does not allow network namespaces: {made.stderr.decode().strip()}")
    etc = Path("/etc/netns") / NETNS
    etc.mkdir(parents=True)
    (etc / "resolv.conf").write_text(f"nameserver {SOMEWHERE4}\n")
    try:
        subprocess.run(["ip", "-n", NETNS, "link", "set", "lo", "up"], check=True)
        for family in ("-4", "-6"):
            subprocess.run(["ip", "-n", NETNS, family, "route", "add", "local", "default", "dev", "lo"], check=True)
        yield NETNS
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=False)
        shutil.rmtree(etc)


def start(
    namespace: str, internet: Internet, ca: ProxyCA, directory: Path, dns: dict[str, Any], port: int
) -> RunningProxy:
    """A proxy inside, whose DNS server is on every address."""
    config = base_config(
        internet, ca,
        dns={"listen": f":{port}", "proxy_ip": "127.0.0.1", "proxy_ip6": "::1", **dns},
        proxy__http_listen=f":{80 if port == 53 else 0}",
        transforms=[allowlist()],
    )  # fmt: skip
    proxy = RunningProxy(config, directory, internet, ca)
    proxy.prefix = ["ip", "netns", "exec", namespace]
    return proxy


@pytest.fixture(scope="module")
def jailed(
    namespace: str, internet: Internet, proxy_ca: ProxyCA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningProxy]:
    records = [
        {"name": "db.test", "type": "A", "value": "10.0.0.7"},
        {"name": "db.test", "type": "AAAA", "value": "fd00::7"},
        {"name": "db.test", "type": "TXT", "value": 'it "speaks"'},
        {"name": "www.test", "type": "CNAME", "value": "db.test"},
        *({"name": "long.test", "type": "TXT", "value": f"{number} {'x' * 300}"} for number in range(9)),
    ]
    proxy = start(
        namespace, internet, proxy_ca, tmp_path_factory.mktemp("jailed"), {"records": records, "mode": "strict"}, 53
    )
    try:
        yield proxy.start()
        proxy.ask_to_stop()
        assert proxy.wait_for_exit() == 0
    finally:
        proxy.kill()


def run(namespace: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=False, timeout=30
    )


def dig(namespace: str, *arguments: str) -> list[str]:
    """What dig prints."""
    done = run(namespace, "dig", "+time=2", "+tries=1", *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip().split("\n")


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
@pytest.mark.parametrize("server", [SOMEWHERE4, "127.0.0.1", SOMEWHERE6, "::1"])
def test_dig_gets_its_answer_from_the_address_that_it_asked(
    jailed: RunningProxy, namespace: str, server: str, transport: str
) -> None:
    """dig throws away what comes from elsewhere, and says so."""
    assert dig(namespace, f"@{server}", transport, "+short", "ok.test", "A") == ["127.0.0.1"]
    assert dig(namespace, f"@{server}", transport, "+short", "ok.test", "AAAA") == ["::1"]


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        (["www.test", "A"], ["db.test.", "10.0.0.7"]),
        (["www.test", "AAAA"], ["db.test.", "fd00::7"]),
        (["db.test", "TXT"], ['"it \\"speaks\\""']),
        (["ok.test", "HTTPS"], [""]),
        (["ok.test", "ANY"], [""]),
    ],
    ids=lambda value: " ".join(value),
)
def test_dig_sees_records_as_they_are_configured(
    jailed: RunningProxy, namespace: str, question: list[str], answers: list[str]
) -> None:
    assert dig(namespace, f"@{SOMEWHERE4}", "+short", *question) == answers


def test_a_long_answer_is_cut_and_dig_comes_back_over_tcp(jailed: RunningProxy, namespace: str) -> None:
    assert ";; Truncated, retrying in TCP mode." in dig(namespace, f"@{SOMEWHERE4}", "long.test", "TXT")
    assert len(dig(namespace, f"@{SOMEWHERE4}", "+short", "long.test", "TXT")) == 9


def test_the_case_of_a_question_is_kept(jailed: RunningProxy, namespace: str) -> None:
    assert dig(namespace, f"@{SOMEWHERE4}", "+noall", "+answer", "oK.TeSt")[0].split() == [
        "oK.TeSt.", "60", "IN", "A", "127.0.0.1",
    ]  # fmt: skip


def test_a_name_that_no_rule_allows_does_not_exist_and_dig_says_why(jailed: RunningProxy, namespace: str) -> None:
    jailed.begin_test()

    lines = dig(namespace, f"@{SOMEWHERE4}", "other.test")

    assert any("status: NXDOMAIN" in line for line in lines)
    assert any("EDE: 15 (Blocked)" in line for line in lines)
    record = jailed.wait_for_event("dns")
    assert (record["host"], record["action"], record["level"]) == ("other.test", "reject", "WARN")
    assert record["reason"] == "no rule allows this name"
    assert record["dns"] == {"type": "A", "decision": "refused", "rcode": "NXDOMAIN"}


def test_an_edns_version_that_is_not_ours_is_refused(jailed: RunningProxy, namespace: str) -> None:
    lines = dig(namespace, f"@{SOMEWHERE4}", "+edns=1", "+noednsneg", "ok.test")

    assert any("status: BADVERS" in line for line in lines)


def test_getent_finds_what_is_allowed_and_nothing_else(jailed: RunningProxy, namespace: str) -> None:
    found = run(namespace, "getent", "ahosts", "ok.test")

    assert {line.split()[0] for line in found.stdout.splitlines()} == {"127.0.0.1", "::1"}
    assert run(namespace, "getent", "ahosts", "other.test").returncode == 2


def test_python_finds_it_too_and_gets_through(jailed: RunningProxy, namespace: str) -> None:
    program = "import socket; print(sorted({each[4][0] for each in socket.getaddrinfo('ok.test', 80)}))"

    assert run(namespace, sys.executable, "-c", program).stdout.strip() == "['127.0.0.1', '::1']"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_needs_nothing_but_the_name(jailed: RunningProxy, namespace: str) -> None:
    answered = run(namespace, "curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "http://ok.test/")
    unknown = run(namespace, "curl", "-sS", "-m", "10", "http://other.test/")

    assert answered.stdout == "502"  # the proxy has the request; behind it, the namespace has no way out
    assert unknown.returncode == 6  # the name could not be resolved


# --- passthrough, on the machine's own loopback ---------------------------------------------------------------------


def test_passthrough_through_dig(namespace: str, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path) -> None:
    internet.dns.entries["*.passed.test"] = ["10.9.8.7", "fd00::9"]
    proxy = start(
        namespace, internet, proxy_ca, tmp_path,
        {"upstream_resolver": internet.dns.address, "passthrough": ["*.passed.test"], "lookups_per_minute": 5}, 0,
    )  # fmt: skip
    proxy.prefix = []
    try:
        proxy.start()
        port = str(proxy.addresses["dns"][1])
        asked = ["dig", "@127.0.0.1", "-p", port, "+time=2", "+tries=1"]
        answered = [run_here(*asked, "+short", "db.passed.test", kind) for kind in ("A", "AAAA", "A", "HTTPS", "TXT")]
        flood = [run_here(*asked, f"q{number}.passed.test") for number in range(6)]
        records = [proxy.wait_for(lambda line: line.get("host") == "q5.passed.test")]
        records = [line for line in proxy.parsed() if line.get("event") == "dns"]
    finally:
        proxy.kill()

    assert answered == ["10.9.8.7", "fd00::9", "10.9.8.7", "", ""]
    assert [record["dns"]["upstream"] for record in records[:4]] == [
        internet.dns.address, internet.dns.address, "cache", internet.dns.address,
    ]  # fmt: skip
    assert all("status: REFUSED" in text and "EDE: 18 (Prohibited)" in text for text in flood[2:])
    assert records[-1]["reason"] == "too many lookups by this client"
    assert "q2.passed.test" not in internet.dns.names_asked()


def run_here(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_a_multi_homed_host_answers_from_the_address_that_was_asked(
    namespace: str, internet: Internet, proxy_ca: ProxyCA, tmp_path: Path
) -> None:
    """On this machine's own loopback: a connected client takes datagrams from 127.0.0.9 only."""
    proxy = start(namespace, internet, proxy_ca, tmp_path, {}, 0)
    proxy.prefix = []
    try:
        proxy.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(("127.0.0.9", proxy.addresses["dns"][1]))
            sock.send(b"\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1")
            assert sock.recv(512)[-4:] == b"\x7f\0\0\1"
    finally:
        proxy.kill()
