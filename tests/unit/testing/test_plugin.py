"""How pytest finds the plugin, and what its page says of it. What it does: tests/end_to_end/test_pytest_plugin.py."""

import tomllib
from importlib import import_module

import pytest
from tests.docs.pages import ROOT, text_of

PLUGIN = "iron_proxy.testing.plugin"


def test_the_entry_point_names_the_plugin() -> None:
    names = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]

    assert list(names.values()) == [PLUGIN]
    assert hasattr(import_module(PLUGIN), "pytest_configure")


@pytest.mark.parametrize("name", ["egress_guard", "egress_allow", "egress_rules", "--egress-guard", "--egress-record",
                                  "--egress-report", "egress"])  # fmt: skip
def test_the_page_has_a_row_for_every_option(name: str) -> None:
    assert f"\n| `{name}` |" in text_of("docs/howto/test-with-the-egress-guard.md")
    assert name in (ROOT / "src/iron_proxy/testing/plugin.py").read_text()
