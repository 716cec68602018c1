import json
from pathlib import Path

import pytest
from bench import groups
from bench.arms import OURS, TWO_WORKERS
from bench.iron_proxy import IronProxy, knows_workers
from bench.setting import HOST, PROXY_TOKEN, REAL_SECRET, SMALL
from tests.unit.bench.a_run import a_setting

from iron_proxy.config.capacity import capacity_of
from iron_proxy.config.loading import load_config

SHAPES = {
    arm.name: arm
    for group in groups.all_groups()
    for arm in group.arms
    # More of the same takes seconds to read; two workers are not in every version.
    if isinstance(arm, IronProxy) and arm.exact_hosts + arm.wildcards <= 1_000 and arm.processes == 1
}


@pytest.mark.slow
@pytest.mark.parametrize("arm", SHAPES.values(), ids=lambda arm: arm.name)
def test_the_configuration_of_every_shape_is_one_that_iron_proxy_accepts(arm: IronProxy, tmp_path: Path) -> None:
    launch = arm.prepare(a_setting(tmp_path), tmp_path)

    config, warnings = load_config(launch.command[-1], {})
    assert warnings == []
    assert [transform.name for transform in config.transforms] == ["allowlist", "secrets"]
    assert capacity_of(config.limits, 20_000).per_client > 10_000     # idle ones, all of one client


def test_the_real_secret_reaches_iron_proxy_by_its_environment_only(tmp_path: Path) -> None:
    launch = OURS.prepare(a_setting(tmp_path), tmp_path)

    assert launch.environment["BENCH_SECRET"] == REAL_SECRET
    assert REAL_SECRET not in Path(launch.command[-1]).read_text()
    assert PROXY_TOKEN in Path(launch.command[-1]).read_text()


def test_settings_of_the_caller_do_not_change_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRON_LOG_LEVEL", "debug")

    launch = OURS.prepare(a_setting(tmp_path), tmp_path)

    assert not [name for name in launch.environment if name.startswith("IRON_")]


def transforms(arm: IronProxy, folder: Path) -> tuple[dict[str, list[object]], list[dict[str, object]]]:
    document = json.loads(Path(arm.prepare(a_setting(folder), folder).command[-1]).read_text())
    allowlist, secrets = document["transforms"]
    return allowlist["config"], secrets["config"]["secrets"]


def test_a_shape_has_as_many_entries_as_it_says_and_the_last_one_is_needed(tmp_path: Path) -> None:
    allowlist, secrets = transforms(groups.MANY_OF_EACH, tmp_path)

    domains = [str(domain) for domain in allowlist["domains"]]
    assert sum(domain.startswith("h") for domain in domains) + (HOST in domains) == 10_000  # localhost begins with l
    assert sum(domain.startswith("*.w") for domain in domains) == 1_000
    assert domains[-1] == HOST
    assert len(secrets) == 100
    assert PROXY_TOKEN in json.dumps(secrets[-1])
    assert len({json.dumps(secret) for secret in secrets}) == 100


def test_path_rules_take_the_place_of_the_host_and_only_the_last_one_fits(tmp_path: Path) -> None:
    allowlist, _ = transforms(IronProxy(path_rules=500), tmp_path)

    rules = json.loads(json.dumps(allowlist["rules"]))
    assert HOST not in allowlist["domains"]
    assert len(rules) == 500
    assert rules[-1] == {"host": HOST, "paths": [f"{SMALL}*"]}
    assert not [rule for rule in rules[:-1] if SMALL in str(rule)]


def test_only_the_scanning_shape_looks_into_bodies(tmp_path: Path) -> None:
    _, scanned = transforms(groups.SCANNED, tmp_path)
    _, untouched = transforms(groups.UNSCANNED, tmp_path)

    assert "match_body" in json.dumps(scanned)
    assert "match_body" not in json.dumps(untouched)


def test_dns_is_served_where_a_shape_asks_for_it(tmp_path: Path) -> None:
    launch = groups.STRICT.prepare(a_setting(tmp_path), tmp_path)

    config, _ = load_config(launch.command[-1], {})
    assert f"127.0.0.1:{launch.dns_port}" in Path(launch.command[-1]).read_text()
    assert config.dns.mode == "strict"
    assert OURS.prepare(a_setting(tmp_path), tmp_path).dns_port is None


def test_one_worker_is_always_available_and_a_count_that_is_refused_is_not() -> None:
    assert knows_workers(1)
    assert not knows_workers(-1)


def test_two_workers_say_so_when_this_version_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.iron_proxy.knows_workers", lambda _count: False)

    assert TWO_WORKERS.missing() == "not available in this version"


def test_two_workers_are_configured_where_the_version_has_them(tmp_path: Path) -> None:
    launch = TWO_WORKERS.prepare(a_setting(tmp_path), tmp_path)

    assert json.loads(Path(launch.command[-1]).read_text())["proxy"]["workers"] == 2
