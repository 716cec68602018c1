"""How many connections are served, and what is said where the descriptors are too few."""

import pytest
from tests.fakes.log_lines import LogLines

from iron_proxy.config.capacity import Capacity
from iron_proxy.config.schema import DEFAULT_LIMITS, LimitsConfig
from iron_proxy.runtime import capacity_part
from iron_proxy.runtime.capacity_part import capacity_now


@pytest.fixture(autouse=True)
def descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity_part, "open_files", lambda: 1024)


@pytest.mark.parametrize(
    ("limits", "capacity"),
    [(DEFAULT_LIMITS, Capacity(480, 360)), (LimitsConfig(connections=480, connections_per_client=9), Capacity(480, 9))],
)
def test_what_fits_is_served_without_a_word(limits: LimitsConfig, capacity: Capacity, process_log: LogLines) -> None:
    assert capacity_now(limits) == capacity
    assert process_log.lines == []


def test_more_than_fits_is_served_with_a_warning(process_log: LogLines) -> None:
    assert capacity_now(LimitsConfig(connections=481)) == Capacity(481, 360)

    [line] = process_log.lines
    assert line["msg"] == "limits.connections is more than the open files are enough for"
    assert (line["connections"], line["open_files"]) == (481, 1024)
