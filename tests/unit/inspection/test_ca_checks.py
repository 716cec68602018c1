"""The CA's files are looked at as a start looks at them, and a little further ahead."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iron_proxy.certs.generation import ca_paths, generate_ca, write_ca
from iron_proxy.config.schema import Config, TLSConfig
from iron_proxy.inspection.ca_checks import check_ca
from iron_proxy.inspection.findings import Findings

NOW = datetime.now(UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    write_ca(ca_paths(str(tmp_path)), generate_ca("test", 365 * 24, "p256"))
    return Config(tls=TLSConfig(ca_cert=str(tmp_path / "ca.crt"), ca_key=str(tmp_path / "ca.key")))


def found(config: Config, now: datetime | None = None) -> list[tuple[str, str]]:
    findings = Findings("p.yaml")
    check_ca(config, findings, now)
    return [(each.id, each.key) for each in findings]


def test_a_new_ca_has_no_findings(config: Config) -> None:
    assert found(config) == []


def test_files_that_cannot_be_used_are_an_error(config: Config, tmp_path: Path) -> None:
    (tmp_path / "ca.key").unlink()

    assert found(config) == [("IP301", "tls")]


@pytest.mark.parametrize(
    ("days", "expected"), [(330, []), (340, [("IP302", "tls.ca_cert")]), (366, [("IP301", "tls")])]
)
def test_the_day_of_its_end_is_told_a_month_before(
    config: Config, days: int, expected: list[tuple[str, str]]
) -> None:
    assert found(config, NOW + timedelta(days=days)) == expected


def test_a_key_that_others_can_read(config: Config, tmp_path: Path) -> None:
    (tmp_path / "ca.key").chmod(0o644)

    assert found(config) == [("IP303", "tls.ca_key")]


def test_no_ca_is_looked_for_where_none_is_needed() -> None:
    assert found(Config(tls=TLSConfig(mode="sni-only", ca_cert="/no", ca_key="/no"))) == []
    assert found(Config()) == []
