import dataclasses
import subprocess
import sys

import pytest

from iron_proxy.config.schema import Config, DNSConfig


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().dns = DNSConfig()  # type: ignore[misc]  # what is shown is that it fails


def test_two_default_configurations_are_equal() -> None:
    assert Config() == Config()


def test_the_schema_does_not_bring_the_yaml_reader_with_it() -> None:
    program = (
        "import sys, iron_proxy.config.schema; print(sorted({'ruamel.yaml', 'asyncio', 're2'} & set(sys.modules)))"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"
