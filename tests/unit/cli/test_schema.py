"""The schema is printed as it is shipped."""

import json

import pytest

from iron_proxy.cli import schema


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.run([]) == 0
    assert "proxy" in json.loads(capsys.readouterr().out)["properties"]


def test_a_stray_argument_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.run(["x"]) == 2
    assert capsys.readouterr().out == ""
