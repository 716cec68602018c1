"""Numbers of `limits` that do not go together."""

from pathlib import Path

import pytest
from tests.unit.inspection.policies import PLAIN, allowlist, found, read

from iron_proxy.inspection.examination import examine


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("", []),
        ("connections: 480", []),
        ("connections: 481", ["IP601"]),
        ("connections: 100, connections_per_client: 99", []),
        ("connections: 100, connections_per_client: 100", ["IP602"]),
        ("connections: 1, connections_per_client: 1", []),
        ("connections_per_client: 479", []),
        ("connections_per_client: 480", ["IP602"]),
        ("connections: 5000, connections_per_client: 6000", ["IP601", "IP602"]),
    ],
)
def test_numbers_that_a_thousand_descriptors_are_enough_for(limits: str, expected: list[str], tmp_path: Path) -> None:
    text = PLAIN + f"limits: {{{limits}}}\n" + allowlist(domains="[a.test]")

    assert [each.id for each in examine(*read(text, tmp_path), reads_files=False, descriptors=1024)] == expected


def test_where_the_descriptors_are_not_known_nothing_is_said(tmp_path: Path) -> None:
    assert found(PLAIN + "limits: {connections: 9999999}\n" + allowlist(domains="[a.test]"), tmp_path) == []


def test_a_finding_says_what_they_are_enough_for(tmp_path: Path) -> None:
    text = PLAIN + "limits: {connections: 481}\n" + allowlist(domains="[a.test]")

    [finding] = examine(*read(text, tmp_path), reads_files=False, descriptors=1024)

    assert finding.key == "limits.connections"
    assert finding.message == "481 is more than 1024 open files are enough for (480)"
