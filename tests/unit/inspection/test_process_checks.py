import pytest

from iron_proxy.config.schema import Config, ProcessConfig
from iron_proxy.inspection.findings import Findings
from iron_proxy.inspection.process_checks import check_process


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (ProcessConfig(), []),
        (ProcessConfig("nobody"), []),
        (ProcessConfig("no-such-user"), [("IP501", "process.user")]),
        (ProcessConfig("nobody", "no-such-group"), [("IP501", "process.group")]),
    ],
)
def test_a_user_that_this_machine_does_not_have(process: ProcessConfig, expected: list[tuple[str, str]]) -> None:
    findings = Findings("p.yaml")

    check_process(Config(process=process), findings)

    assert [(each.id, each.key) for each in findings] == expected
