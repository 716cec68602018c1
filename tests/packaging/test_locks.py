"""The locks agree: what is shipped is what the tests ran with, and pages tell what is installed."""

import re
import sys
import tomllib
from importlib.metadata import distribution

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.packaging.built import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
EXTRAS = PROJECT["optional-dependencies"]


def pins(name: str) -> dict[str, str]:
    """Package and version of every line; the marker belongs to the pin."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text))


def closure(requirements: list[str]) -> set[str]:
    """The packages that these bring on this machine, by what the installed ones say that they need."""
    found: set[str] = set()
    left = [Requirement(each) for each in requirements]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in found or not applies(requirement.marker, {""}):
            continue
        found.add(name)
        needs = map(Requirement, distribution(requirement.name).requires or [])
        left += [need for need in needs if applies(need.marker, requirement.extras or {""})]
    return found


def applies(marker: Marker | None, extras: set[str]) -> bool:
    """Whether a requirement counts on this machine, for somebody who asked for these extras."""
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


@pytest.mark.parametrize("name", ["requirements-runtime.lock", "requirements-build.lock"])
def test_what_is_shipped_is_what_the_tests_run_with(name: str) -> None:
    assert pins(name).items() <= pins("requirements.lock").items()


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash(name: str) -> None:
    blocks = re.split(r"(?m)^(?=[\w.-]+==)", (ROOT / name).read_text(encoding="utf-8"))

    assert [block.split("\n")[0] for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_the_runtime_lock_has_the_base_and_every_extra_but_the_plugins() -> None:
    served = (each for name, extra in EXTRAS.items() if name != "testing" for each in extra)  # pytest has that already
    wanted = closure([*PROJECT["dependencies"], *served])

    assert wanted <= pins("requirements-runtime.lock").keys()


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the table is that of Python 3.11")
def test_the_page_on_installation_names_what_a_base_install_brings() -> None:
    page = (ROOT / "docs" / "howto" / "install.md").read_text(encoding="utf-8")
    table = page.partition("<!-- base install -->")[2].partition("<!-- end")[0]

    assert set(re.findall(r"(?m)^\| `([\w-]+)` \|", table)) == {"iron-proxy", *closure(PROJECT["dependencies"])}
