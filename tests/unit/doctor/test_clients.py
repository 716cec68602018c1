"""How each client is asked. Whether it understands is seen in tests/end_to_end/test_doctor.py."""

from pathlib import Path

import pytest

from iron_proxy.doctor.clients import CLIENTS, NAMES, Call, missing_program
from iron_proxy.jail.client_environment import VARIABLES

BY_NAME = {client.name: client for client in CLIENTS}
PAGE = "https://example.com/page"


@pytest.mark.parametrize("name", NAMES)
def test_a_client_is_sent_below_the_base(name: str, tmp_path: Path) -> None:
    client = BY_NAME[name]
    call = Call("https://x.invalid/run", tmp_path)

    told = [*client.command(call), *client.environment(call).values()]

    assert any("x.invalid" in word for word in told)
    assert client.command(call)[0] in client.programs


@pytest.mark.parametrize("name", [name for name in NAMES if BY_NAME[name].can_fetch_any_url])
def test_a_client_that_fetches_any_url_fetches_the_users_page(name: str, tmp_path: Path) -> None:
    client = BY_NAME[name]
    call = Call("", tmp_path, page=PAGE)

    told = " ".join(client.command(call)).encode() + client.standard_input(call)

    assert b"example.com" in told
    assert b"/page" in told


def test_each_name_stands_once() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_the_variables_that_clients_read_are_those_that_env_sets() -> None:
    known = {variable.name for variable in VARIABLES}

    assert {name for client in CLIENTS for name in (*client.trust, *client.proxy)} <= known


def test_openssl_is_told_of_the_proxy_by_its_command(tmp_path: Path) -> None:
    call = Call("https://x.invalid/run", tmp_path, "http://127.0.0.1:8080")

    command = list(BY_NAME["openssl"].command(call))

    assert command[command.index("-proxy") + 1] == "127.0.0.1:8080"
    assert command[command.index("-connect") + 1] == "x.invalid:443"
    assert BY_NAME["openssl"].standard_input(call).startswith(b"GET /run/hello HTTP/1.1\r\nHost: x.invalid\r\n")


def test_node_is_asked_first_whether_it_reads_proxy_variables(tmp_path: Path) -> None:
    node = BY_NAME["node"]

    assert "NODE_USE_ENV_PROXY" in node.command(Call("https://x", tmp_path, "http://127.0.0.1:1"))[-1]
    assert "NODE_USE_ENV_PROXY" not in node.command(Call("https://x", tmp_path))[-1]


def test_the_first_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "java").write_text("#!/bin/sh\n")
    (tmp_path / "java").chmod(0o755)

    assert missing_program(BY_NAME["java"], str(tmp_path)) == "javac"
    assert missing_program(BY_NAME["curl"], str(tmp_path)) == "curl"
    (tmp_path / "curl").symlink_to(tmp_path / "java")
    assert missing_program(BY_NAME["curl"], str(tmp_path)) is None
