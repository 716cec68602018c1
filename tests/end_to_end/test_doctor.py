"""`iron-proxy doctor` with the clients of this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.clients.namespace import Namespace, NamespaceUnavailable

from iron_proxy.certs.generation import CAPaths, generate_ca, write_ca
from iron_proxy.cli.doctor import FLAGS
from iron_proxy.doctor.clients import NAMES
from iron_proxy.doctor.own_proxy import OwnProxy, configuration_text

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

COMMAND = [sys.executable, "-m", "iron_proxy", "doctor", "-json"]
# What no variable helps: GnuTLS's wget reads none, and Node reads those for proxies from 22.21 on.
MAY_FAIL = {("wget", "by DNS"), ("wget", "by HTTPS_PROXY"), ("node", "by HTTPS_PROXY")}
Content = dict[str, Any]
# What a program does that goes its own way, for the count of packets to be seen rising.
LOOK_UP = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.53', 53))"


def plain_environment(folder: Path, **more: str) -> dict[str, str]:
    """This machine's programs, those of the virtual environment first, and nothing about CAs or proxies."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), "TMPDIR": str(folder), **more}


def examine(environment: Mapping[str, str], *arguments: str, prefix: tuple[str, ...] = ()) -> tuple[int, Content]:
    done = subprocess.run(
        [*prefix, *COMMAND, *arguments], env=dict(environment), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What the doctor says about all clients with a CA of its own; it leaves nothing behind."""
    folder = tmp_path_factory.mktemp("doctor")
    found = examine(plain_environment(folder))[1]
    assert os.listdir(folder) == []
    return found


@pytest.mark.parametrize("way", ["by DNS", "by HTTPS_PROXY"])
@pytest.mark.parametrize("name", NAMES)
def test_a_client_works_by_what_env_sets(name: str, way: str, content: Content) -> None:
    client = next(each for each in content["clients"] if each["name"] == name)
    if "absent" in client:
        pytest.skip(f"{client['absent']} is not installed")
    run = client["runs"][way]
    if (name, way) in MAY_FAIL and not run["works"]:
        assert run["reason"] in ("ca-not-trusted", "proxy-not-used"), run
        return

    assert run["works"], run


def test_every_client_is_in_the_report(content: Content) -> None:
    assert [client["name"] for client in content["clients"]] == list(NAMES)


def configuration(folder: Path, proxy: OwnProxy) -> Path:
    """A configuration with the CA and the listeners of a running proxy."""
    path = folder / "configuration.yaml"
    listen = {f"{name}_listen": proxy_address(proxy, name) for name in ("http", "https", "tunnel")}
    tls = {"ca_cert": proxy.ca.certificate, "ca_key": proxy.ca.key}
    path.write_text(
        json.dumps({"dns": {"enabled": False}, "proxy": listen, "tls": tls, "metrics": {"listen": "off"}})
    )
    return path


def proxy_address(proxy: OwnProxy, listener: str) -> str:
    return f"127.0.0.1:{proxy._process.port(listener)}"


def test_before_and_after_the_repair(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    running, scratch = tmp_path / "running", tmp_path / "scratch"
    running.mkdir()
    scratch.mkdir()
    environment = plain_environment(scratch)
    with OwnProxy(running) as proxy:
        file = configuration(tmp_path, proxy)
        _, before = examine(environment, "-config", str(file), "-only", "curl")
        repaired = evaluated(before["clients"][0]["repair"], environment)
        _, after = examine(repaired, "-config", str(file), "-only", "curl")

    sentence = "does not trust the CA: CURL_CA_BUNDLE is not set"
    assert before["clients"][0]["runs"]["as it is"]["sentence"] == sentence
    assert after["clients"][0]["runs"]["as it is"]["works"]
    assert all(check["passed"] for check in after["checks"])
    assert [check["sentence"].partition(": ")[2] for check in after["checks"][2:]] == [
        "answers", "answers with a certificate of this CA", "answers",
    ]  # fmt: skip


def evaluated(command: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment after the command that the doctor gave, in which iron-proxy is the one under test."""
    command = command.replace("iron-proxy env", f"{sys.executable} -m iron_proxy env")
    done = subprocess.run(
        ["sh", "-c", f"{command}; env -0"], env=dict(environment), capture_output=True, text=True, check=True
    )
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


def test_a_proxy_that_runs_already_is_asked_for_a_page_of_the_users(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with OwnProxy(tmp_path) as proxy:
        arguments = ["-proxy", proxy.proxy_url, "-url", f"{proxy.proxied_url('page')}/hello", "-only", "curl,git"]
        environment = plain_environment(tmp_path, HTTPS_PROXY=proxy.proxy_url, CURL_CA_BUNDLE=proxy.ca.certificate)
        status, content = examine(environment, *arguments, "-ca", proxy.ca.certificate)

    curl, git = content["clients"]
    assert [run["works"] for run in curl["runs"].values()] == [True, True]
    assert git["runs"]["as it is"]["reason"] == "not-asked"
    assert status == 1


def test_it_takes_everything_with_it_when_it_is_told_to_stop(tmp_path: Path) -> None:
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "curl").write_text("#!/bin/sh\ntouch started\nexec sleep 60\n")
    (slow / "curl").chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = plain_environment(scratch)
    environment["PATH"] = f"{slow}:{environment['PATH']}"
    with subprocess.Popen(
        [*COMMAND, "-only", "curl"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as doctor:
        while not list(scratch.rglob("started")):
            assert doctor.poll() is None
        doctor.send_signal(signal.SIGTERM)
        doctor.send_signal(signal.SIGINT)  # impatient: the client takes its time
        out, errors = doctor.communicate(timeout=30)

    assert (doctor.returncode, out, errors) == (
        1, "", "error: interrupted; everything has been stopped and removed\n",
    )  # fmt: skip
    assert os.listdir(scratch) == []


@pytest.mark.root
def test_nothing_leaves_the_machine(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file = tmp_path / "proxy.yaml"
    ca = CAPaths(str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))
    write_ca(ca, generate_ca("test", 24, "p256"))
    file.write_text(configuration_text(ca))
    namespace = Namespace("doctor")
    try:
        namespace.open()
    except NamespaceUnavailable as reason:
        pytest.skip(str(reason))
    try:
        # The way out is a device that counts what is sent and passes nothing on; so is the way to the DNS server.
        for command in (
            "link add out type veth peer name nowhere", "link set out addrgenmode none",
            "link set nowhere addrgenmode none", "link set nowhere up", "address add 192.0.2.1/24 dev out",
            "link set out up", "route add default via 192.0.2.2 dev out",
        ):  # fmt: skip
            subprocess.run(["ip", "-n", namespace.with_dns, *command.split()], capture_output=True, check=True)
        Path("/etc/netns", namespace.with_dns, "resolv.conf").write_text("nameserver 192.0.2.53\noptions timeout:1\n")
        environment = plain_environment(
            scratch, PIP_EXTRA_INDEX_URL="https://192.0.2.9/", HTTPS_PROXY="http://192.0.2.9:3128"
        )
        prefix = tuple(namespace.prefix(dns=True))
        before = sent(namespace)
        content = examine(environment, "-config", str(file), prefix=prefix)[1]
        after = sent(namespace)
        subprocess.run([*prefix, sys.executable, "-c", LOOK_UP], check=True)
        control = sent(namespace)
    finally:
        namespace.close()

    assert after == before
    assert control > after
    runs = [client["runs"]["as it is"] for client in content["clients"] if "runs" in client]
    assert "ca-not-trusted" in {run["reason"] for run in runs}


def sent(namespace: Namespace) -> int:
    shown = subprocess.run(
        ["ip", "-n", namespace.with_dns, "-s", "-j", "link", "show", "out"], capture_output=True, check=True
    )
    packets: int = json.loads(shown.stdout)[0]["stats64"]["tx"]["packets"]
    return packets


def test_the_flags_are_those_of_the_help(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "-h"], capture_output=True, text=True, check=True)

    assert all(f"  -{flag.name}" in done.stderr for flag in FLAGS.flags)
