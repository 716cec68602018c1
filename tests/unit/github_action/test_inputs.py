"""Inputs come as text, and leave as flags in one word each."""

import pytest

from iron_proxy.github_action.inputs import read_fail_on_denied, read_inputs


def test_inputs_become_flags() -> None:
    inputs = read_inputs({
        "INPUT_MODE": "warn", "INPUT_CONFIG": "p.yaml", "GITHUB_WORKSPACE": "/w", "INPUT_ALLOW": "a.test, -b",
        "INPUT_PRESETS": "pip", "INPUT_SECRETS": "KEY@c.test,d.test",
    })  # fmt: skip

    flags = ["-config=/w/p.yaml", "-allow=a.test", "-allow=-b", "-preset=pip", "-secret=KEY@c.test,d.test"]
    assert inputs.run_flags() == flags
    assert inputs.variables == ("KEY",)


def test_fail_on_denied_is_true_or_false() -> None:
    assert read_fail_on_denied({"INPUT_FAIL_ON_DENIED": "true"})
    with pytest.raises(ValueError, match="fail-on-denied"):
        read_fail_on_denied({"INPUT_FAIL_ON_DENIED": "yes"})
