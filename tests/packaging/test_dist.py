"""Sdist and wheel: the same bytes twice, what is in them, and what they say of themselves."""

import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from tests.packaging.built import EPOCH, ROOT, build, tracked
from trove_classifiers import classifiers, deprecated_classifiers

from iron_proxy.version import __version__

NAME = f"iron_proxy-{__version__}"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(dist / f"{NAME}-py3-none-any.whl")


@pytest.fixture(scope="module")
def sdist(dist: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(dist / f"{NAME}.tar.gz") as archive:
        return archive.getmembers()


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(wheel.read(f"{NAME}.dist-info/METADATA").decode())


# --- reproducible ---------------------------------------------------------------------------------------------------


def test_two_builds_are_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "elsewhere", umask=0o077, modified=1_600_000_000)

    assert {file.name for file in dist.iterdir()} == {f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"}
    assert {file.name: file.read_bytes() for file in again.iterdir()} == {
        file.name: file.read_bytes() for file in dist.iterdir()
    }


def test_every_file_has_the_time_of_the_commit_and_no_owner(sdist: list[tarfile.TarInfo]) -> None:
    assert {(each.mtime, each.uid, each.gid, each.uname, each.gname) for each in sdist} == {(int(EPOCH), 0, 0, "", "")}


# --- contents -------------------------------------------------------------------------------------------------------


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    package = {name.removeprefix("src/") for name in tracked() if name.startswith("src/")}
    described = {
        f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt", "RECORD", "licenses/LICENSE")
    }

    assert set(wheel.namelist()) == package | described


@pytest.mark.parametrize(
    "name",
    [
        "config/iron-proxy.schema.json",
        "management/dashboard/page/index.html",
        "management/dashboard/page/main.js",
        "presets/pip.yaml",
        "py.typed",
    ],
)
def test_files_that_are_no_python_are_in_the_wheel(wheel: zipfile.ZipFile, name: str) -> None:
    assert wheel.read(f"iron_proxy/{name}") == (ROOT / "src" / "iron_proxy" / name).read_bytes()


def test_the_sdist_has_every_file_that_git_has(sdist: list[tarfile.TarInfo]) -> None:
    found = {str(PurePosixPath(*PurePosixPath(each.name).parts[1:])) for each in sdist if each.isfile()}

    assert found - {"PKG-INFO"} == set(tracked())


# --- metadata -------------------------------------------------------------------------------------------------------


def test_the_classifiers_exist(metadata: Message) -> None:
    named = metadata.get_all("Classifier") or []

    assert len(named) == len(set(named)) > 15
    assert set(named) <= classifiers - deprecated_classifiers.keys()


def test_the_licence_is_named_and_there(metadata: Message, wheel: zipfile.ZipFile) -> None:
    assert (metadata["License-Expression"], metadata["License-File"]) == ("Apache-2.0", "LICENSE")
    assert wheel.read(f"{NAME}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_the_description_is_the_readme(metadata: Message) -> None:
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()  # type: ignore[union-attr]  # of one part


def test_no_address_is_made_up(metadata: Message) -> None:
    assert metadata.get_all("Project-URL") is None


def test_the_command_and_the_plugin_are_all_that_is_entered_by(wheel: zipfile.ZipFile) -> None:
    text = wheel.read(f"{NAME}.dist-info/entry_points.txt").decode()

    assert text.split("\n\n") == [
        "[console_scripts]\niron-proxy = iron_proxy.cli.main:main",
        "[pytest11]\niron-proxy = iron_proxy.testing.plugin\n",
    ]


def test_every_requirement_has_a_lower_bound(metadata: Message) -> None:
    required = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]

    assert [each.name for each in required if ">=" not in {part.operator for part in each.specifier}] == []
