"""How many workers there are."""

import os
import sys
from dataclasses import replace

import pytest
from tests.unit.runtime.assembled import HTTP_ONLY

from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.runtime.policy_reading import Origin
from iron_proxy.workers.launching import fleet_builder, worker_count


def config(workers: int) -> Config:
    return replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, workers=workers))


def test_auto_is_one_for_each_core_that_we_may_use() -> None:
    assert worker_count("auto") == len(os.sched_getaffinity(0))
    assert worker_count(3) == 3


def test_one_core_needs_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5})
    automatic = replace(HTTP_ONLY, proxy=replace(HTTP_ONLY.proxy, workers="auto"))

    assert fleet_builder(automatic, Origin(None, {}), None, has_ca=False) is None


def test_elsewhere_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert worker_count("auto") == 1
    with pytest.raises(StartupError, match=r"^proxy\.workers: 2 needs Linux; leave it out$"):
        fleet_builder(config(2), Origin(None, {}), None, has_ca=False)
