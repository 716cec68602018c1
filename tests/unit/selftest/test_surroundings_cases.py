import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.selftest_world import try_case

from iron_proxy.selftest.findings import Finding, Verdict
from iron_proxy.selftest.place import Place

KEY = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
TOKEN = "ghp_" + "a1" * 18


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place with an empty file system."""
    return Place("0123456789abcdef", environment={"HOME": "/home/me", "PATH": "/bin"}, root=tmp_path)


def put(place: Place, name: str, content: str) -> Path:
    path = place.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_an_empty_place_holds(place: Place) -> None:
    put(place, "proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n")
    names = ("env-secrets", "proxy-keys", "credential-files", "other-processes", "host-services", "capabilities")

    assert {try_case(place, name).verdict for name in names} == {Verdict.HELD}


def test_a_credential_in_a_variable_is_told_by_its_name_alone(place: Place) -> None:
    finding = try_case(replace(place, environment={"GITHUB_TOKEN": TOKEN}), "env-secrets")

    assert finding.evidence == ("GITHUB_TOKEN holds what looks like a real credential",)
    assert TOKEN not in str(finding)


def test_a_variable_that_holds_a_proxy_token_is_no_finding(place: Place) -> None:
    known = replace(place, environment={"GITHUB_TOKEN": TOKEN}, known_tokens=frozenset({"GITHUB_TOKEN"}))

    assert try_case(known, "env-secrets").verdict is Verdict.HELD


@pytest.mark.parametrize("name", ["etc/iron-proxy/ca.key", "home/me/.mitmproxy/mitmproxy-ca.pem", "opt/trust/ca.key"])
def test_a_key_in_a_proxys_folder_or_beside_the_trusted_ca_is_found(place: Place, name: str) -> None:
    path = put(place, name, KEY)
    environment = {**place.environment, "SSL_CERT_FILE": "/opt/trust/ca.crt"}

    finding = try_case(replace(place, environment=environment), "proxy-keys")

    assert finding.evidence == (f"{path} can be read and holds a private key",)


def test_a_certificate_alone_is_no_key(place: Place) -> None:
    put(place, "etc/iron-proxy/ca.crt", "-----BEGIN CERTIFICATE-----\n")

    assert try_case(place, "proxy-keys").verdict is Verdict.HELD


@pytest.mark.parametrize("name", ["home/me/.aws/credentials", "home/me/.netrc", "home/me/.ssh/id_ed25519"])
def test_files_with_credentials_are_found_unless_they_are_empty(place: Place, name: str) -> None:
    path = put(place, name, "")
    assert try_case(place, "credential-files").verdict is Verdict.HELD

    path.write_text("secret")
    assert try_case(place, "credential-files").evidence == (f"{path} can be read",)


def test_another_processs_secret_is_found_and_what_we_have_too_is_not(place: Place) -> None:
    put(place, "proc/7/environ", f"GITHUB_TOKEN={TOKEN}\0PATH=/bin\0")
    put(place, f"proc/{os.getpid()}/environ", f"GITHUB_TOKEN={TOKEN}x\0")

    assert try_case(place, "other-processes").evidence == (
        "process 7 has GITHUB_TOKEN, which looks like a real credential",
    )
    ours = replace(place, environment={"GITHUB_TOKEN": TOKEN})
    assert try_case(ours, "other-processes").verdict is Verdict.HELD


def test_a_service_that_takes_connections_is_found(place: Place) -> None:
    (place.root / "run").mkdir()
    before = os.getcwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(place.root / "run")       # the path of a socket is short
        try:
            server.bind("docker.sock")
        finally:
            os.chdir(before)
        server.listen()
        finding = service_finding(place)

    assert finding.evidence == (f"{place.root}/run/docker.sock takes connections",)


def service_finding(place: Place) -> Finding:
    if len(f"{place.root}/run/docker.sock") > 100:
        pytest.skip("the temporary folder's path is too long for a socket")
    return try_case(place, "host-services")


@pytest.mark.parametrize(
    ("mask", "evidence"),
    [
        ("0000000000001000", ("this process has CAP_NET_ADMIN",)),
        ("0000000000280000", ("this process has CAP_SYS_PTRACE", "this process has CAP_SYS_ADMIN")),
        ("0000000000002000", ("effective capabilities 0000000000002000",)),
    ],
    ids=["NET_ADMIN", "two", "NET_RAW, which is no way around"],
)
def test_capabilities_are_read_from_proc(place: Place, mask: str, evidence: tuple[str, ...]) -> None:
    put(place, "proc/self/status", f"Name:\tx\nCapEff:\t{mask}\n")

    assert try_case(place, "capabilities").evidence == evidence


def test_without_proc_capabilities_are_not_tested(place: Place) -> None:
    assert try_case(place, "capabilities").verdict is Verdict.NOT_TESTED
