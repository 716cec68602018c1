from pathlib import Path

import pytest

from iron_proxy.errors import ConfigError
from iron_proxy.testing.allowed_egress import allowed_by_file, allowed_by_lines, target_of


@pytest.mark.parametrize(
    ("line", "host", "port", "is_admitted"),
    [
        ("a.test", "a.test", 5432, True),
        ("a.test", "b.test", 5432, False),
        ("a.test:443", "a.test", 443, True),
        ("a.test:443", "a.test", 80, False),
        ("*.a.test", "x.a.test", 1, True),
        ("192.0.2.0/24", "192.0.2.7", 53, True),
        ("192.0.2.0/24", "192.0.3.7", 53, False),
        ("[2001:db8::1]:53", "2001:db8::1", 53, True),
        ("a.test", "a test", 443, False),
    ],
)
def test_a_line_admits_what_it_names(line: str, host: str, port: int, is_admitted: bool) -> None:
    assert allowed_by_lines([line], "egress_allow").admits_directly(host, port) is is_admitted


def test_a_name_may_be_looked_up_when_a_rule_is_about_it() -> None:
    allowed = allowed_by_lines(["a.test:443"], "x") + allowed_by_lines(["192.0.2.0/24"], "x")

    assert allowed.admits_name("a.test")
    assert not allowed.admits_name("b.test")
    assert len(allowed.rules) == len(allowed.mappings) == 2
    assert allowed.key != allowed_by_lines(["a.test:443"], "x").key


def test_a_rule_with_methods_admits_nothing_past_the_proxy(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  - {host: a.test, methods: [GET]}\n  - {host: b.test}\n")
    allowed = allowed_by_file(file)

    assert not allowed.admits_directly("a.test", 443)
    assert allowed.admits_directly("b.test", 443)


def test_a_file_that_is_not_there_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file or directory; pytest --egress-record="):
        allowed_by_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(("host", "port"), [("2001:db8::1", 53), ("a.test", 0)])
def test_a_target_keeps_host_and_port(host: str, port: int) -> None:
    assert target_of(host, port) == (host, port, ":" in host)
