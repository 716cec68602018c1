import json
from pathlib import Path

import pytest
from bench.arms import ARMS, BASE, REFERENCE, IronProxy, said_by
from bench.certificates import CertificateFiles
from bench.setting import PROXY_TOKEN, REAL_SECRET, Ports, Setting

from iron_proxy.config.loading import load_config


def a_setting(folder: Path) -> Setting:
    files = CertificateFiles(folder / "ca.crt", folder / "ca.key", folder / "leaf.crt", folder / "leaf.key")
    return Setting(folder, files, Ports(8080, 8443))


def test_the_configuration_of_iron_proxy_is_one_that_it_accepts(tmp_path: Path) -> None:
    launch = IronProxy().prepare(a_setting(tmp_path), tmp_path)

    config, warnings = load_config(launch.command[-1], {})

    assert warnings == []
    assert [transform.name for transform in config.transforms] == ["allowlist", "secrets"]


def test_the_real_secret_reaches_iron_proxy_by_its_environment_only(tmp_path: Path) -> None:
    launch = IronProxy().prepare(a_setting(tmp_path), tmp_path)

    assert launch.environment["BENCH_SECRET"] == REAL_SECRET
    assert REAL_SECRET not in Path(launch.command[-1]).read_text()
    assert PROXY_TOKEN in json.dumps(json.loads(Path(launch.command[-1]).read_text()))


def test_settings_of_the_caller_do_not_change_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRON_LOG_LEVEL", "debug")

    launch = IronProxy().prepare(a_setting(tmp_path), tmp_path)

    assert not [name for name in launch.environment if name.startswith("IRON_")]


def test_rows_have_names_of_their_own_and_the_two_that_others_are_compared_with() -> None:
    names = [arm.name for arm in ARMS]

    assert len(set(names)) == len(names)
    assert {BASE, REFERENCE} <= set(names)


def test_a_program_that_is_not_there_has_no_known_version() -> None:
    assert said_by("/nonexistent/program", "--version") == "unknown"
