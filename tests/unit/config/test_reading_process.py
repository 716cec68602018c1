import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import ProcessConfig

MINIMAL = "dns: {proxy_ip: 10.0.0.1}\ntls: {ca_cert: ca.crt, ca_key: ca.key}\n"


def read(keys: str) -> tuple[ProcessConfig, list[str]]:
    root = parse_config(f"{MINIMAL}process: {{{keys}}}\n", "x")
    return read_config(root, {}).process, root.problems.errors


def test_the_process_stays_what_it_was_started_as_unless_told() -> None:
    assert read("") == (ProcessConfig(None, None, False), [])


def test_every_key_is_read_and_a_number_is_a_name() -> None:
    assert read("user: 65534, group: adm, seccomp: yes") == (ProcessConfig("65534", "adm", True), [])


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("user: root", "user: is root, who keeps every right; name another user, or leave it out"),
        ("user: 0", "user: is root, who keeps every right; name another user, or leave it out"),
        ("group: adm", "group: is for the user that the process becomes; set user"),
        ("seccomp: strict", 'seccomp: must be true or false'),
        ("usr: x", 'usr: unknown key (did you mean "user"?)'),
    ],
)
def test_what_is_wrong_is_told(keys: str, error: str) -> None:
    assert read(keys)[1] == [f"x:3: process.{error}"]
