"""What a reload leaves is named key by key, and stays as it was; everything else does not."""

from dataclasses import replace

import pytest

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.config.schema import (
    AuditConfig,
    Config,
    LogConfig,
    ManagementConfig,
    MetricsConfig,
    ProcessConfig,
    ProxyConfig,
)
from iron_proxy.runtime.not_reloadable import left_as_it_was, same_address

START = Config()
ADDRESS = ListenAddress.parse(":7")


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (START, []),
        (replace(START, metrics=MetricsConfig(listen=None)), ["metrics.listen"]),
        (replace(START, metrics=MetricsConfig(listen=ADDRESS)), ["metrics.listen"]),
        (replace(START, management=ManagementConfig(ADDRESS, "K")), ["management.listen", "management.api_key_env"]),
        (replace(START, proxy=ProxyConfig(transparent="tproxy")), ["proxy.transparent"]),
        (replace(START, process=ProcessConfig("nobody", seccomp=True)), ["process.user", "process.seccomp"]),
        (replace(START, log=LogConfig("debug", "v0.46")), ["log.audit_schema"]),
        (replace(START, audit=AuditConfig(mode="strict", keep=3, session_records=True)), ["audit.keep", "audit.mode"]),
    ],
)  # fmt: skip
def test_each_key_that_waits_for_a_restart_is_named(wanted: Config, keys: list[str]) -> None:
    in_force, left = left_as_it_was(START, wanted)

    assert [each.key for each in left] == keys
    assert all("restart" in each.reason for each in left)
    assert left_as_it_was(START, in_force) == (in_force, ())


def test_what_can_change_beside_it_does() -> None:
    wanted = replace(
        START,
        proxy=ProxyConfig(transparent="tproxy", default_action="allow"),
        log=LogConfig("debug", "v0.46"),
        audit=AuditConfig(mode="strict", session_records=True),
    )

    in_force, _ = left_as_it_was(START, wanted)

    assert in_force.proxy == ProxyConfig(default_action="allow")
    assert in_force.log == LogConfig("debug")
    assert in_force.audit == AuditConfig(session_records=True)


def test_addresses_are_the_same_however_they_are_written() -> None:
    assert same_address(ListenAddress.parse("[::1]:1"), ListenAddress.parse("[0:0:0:0:0:0:0:1]:1"))
    assert not same_address(ListenAddress.parse(":1"), ListenAddress.parse("127.0.0.1:1"))
    assert same_address(None, None)
    assert not same_address(None, ADDRESS)
