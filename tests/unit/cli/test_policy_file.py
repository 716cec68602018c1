"""A configuration as a start would have it, with everything that is wrong with it."""

from pathlib import Path

import pytest

from iron_proxy.cli.policy_file import read_policy
from iron_proxy.errors import ConfigError

# The command starts the log of the process: it is put back behind each test.
pytestmark = pytest.mark.usefixtures("process_log")


def test_problems_of_the_file_the_transforms_and_the_clients_come_together(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(
        "dns: {enabled: false, odd: 1}\nproxy: {https_listen: off, tunnel_listen: ':0'}\n"
        "tls: {ca_cert: c, ca_key: k}\nclients: [{name: x, password: {type: nothing}}]\n"
        "transforms: [{name: allowlist, config: {odd: 2}}]\n"
    )

    policy = read_policy(str(file))

    assert [error.removeprefix(f"{file}:")[:2] for error in policy.problems.errors] == ["1:", "5:", "4:"]


def test_a_good_file_has_a_pipeline(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("dns: {enabled: false}\nproxy: {https_listen: off}\ntransforms: [{name: allowlist}]\n")

    policy = read_policy(str(file))

    assert (policy.problems.errors, policy.pipeline.names) == ([], ["allowlist"])
    assert policy.config.proxy.https_listen is None


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_policy("/nonexistent.yaml")
