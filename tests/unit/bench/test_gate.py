from pathlib import Path

import pytest
from bench import baseline_file
from bench.errors import CannotBenchmark
from bench.gate import ALLOWED, Baseline, baseline_of, check_machine, compare, parse_baseline, ratios_of
from bench.results import Machine, Result
from bench.terminal import show_comparisons
from tests.unit.bench.a_run import a_run, rounds

MACHINE = Machine("A processor", 4, "Linux 6.1", 0.0)


def a_result(cpu: float = 44.0, rate: float = 400.0, p50: float = 0.15) -> Result:
    """Nginx takes 22 µs, moves 400 MB/s and answers in 0.1 ms."""
    return a_run(
        *rounds("small-tls", "nginx", {"cpu_us_per_request": 22.0, "latency_p50_ms": 9.0}),
        *rounds("small-tls", "iron-proxy", {"cpu_us_per_request": cpu, "latency_p50_ms": 1.0}),
        *rounds("download", "nginx", {"megabytes_per_second": 400.0}),
        *rounds("download", "iron-proxy", {"megabytes_per_second": rate}),
        *rounds("one-connection", "nginx", {"latency_p50_ms": 0.1}),
        *rounds("one-connection", "iron-proxy", {"latency_p50_ms": p50}),
    )


BASELINE = baseline_of(a_result())


def failing(result: Result, baseline: Baseline = BASELINE) -> list[str]:
    return [f"{each.workload}: {each.figure}" for each in compare(baseline, ratios_of(result)) if each.fails]


def test_the_same_figures_pass() -> None:
    assert failing(a_result()) == []


def test_the_ratios_are_taken_to_nginx_and_latency_only_where_nothing_queues() -> None:
    assert BASELINE.ratios == {
        "small-tls": {"cpu_us_per_request": 2.0},
        "download": {"megabytes_per_second": 1.0},
        "one-connection": {"latency_p50_ms": pytest.approx(1.5)},
    }


def test_a_quarter_worse_passes_and_more_does_not() -> None:
    assert ALLOWED == 1.25
    assert failing(a_result(cpu=54.9)) == []
    assert failing(a_result(cpu=55.1)) == ["small-tls: cpu_us_per_request"]


def test_less_throughput_is_worse() -> None:
    assert failing(a_result(rate=321.0)) == []
    assert failing(a_result(rate=319.0)) == ["download: megabytes_per_second"]


def test_more_latency_is_worse() -> None:
    assert failing(a_result(p50=0.19)) == ["one-connection: latency_p50_ms"]


def test_better_figures_never_fail_and_do_not_pay_for_worse_ones() -> None:
    assert failing(a_result(cpu=11.0, rate=4000.0, p50=0.01)) == []
    assert failing(a_result(cpu=99.0, rate=4000.0, p50=0.01)) == ["small-tls: cpu_us_per_request"]


def test_what_this_run_did_not_measure_fails() -> None:
    only_one = a_run(
        *rounds("small-tls", "nginx", {"cpu_us_per_request": 22.0}),
        *rounds("small-tls", "iron-proxy", {"cpu_us_per_request": 44.0}),
    )

    assert sorted(failing(only_one)) == ["download: megabytes_per_second", "one-connection: latency_p50_ms"]


def test_a_slower_machine_as_a_whole_is_no_regression() -> None:
    slower = a_run(
        *rounds("small-tls", "nginx", {"cpu_us_per_request": 66.0}),
        *rounds("small-tls", "iron-proxy", {"cpu_us_per_request": 132.0}),
    )

    assert failing(slower, baseline_of(slower)) == []
    assert "small-tls: cpu_us_per_request" not in failing(slower)


def test_a_baseline_of_another_machine_is_refused_with_the_remedy() -> None:
    check_machine(BASELINE, MACHINE)

    with pytest.raises(
        CannotBenchmark, match=r"from A processor, 4 cores; this is A processor, 2 cores.*bench-baseline"
    ):
        check_machine(BASELINE, Machine("A processor", 2, "Linux 6.1", 0.0))


def test_a_run_without_any_ratio_is_no_baseline() -> None:
    with pytest.raises(CannotBenchmark, match="no ratio to nginx"):
        baseline_of(a_run())


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    baseline_file.save(BASELINE, tmp_path / "baseline.json")

    assert baseline_file.load(tmp_path / "baseline.json") == BASELINE


def test_a_missing_baseline_names_its_place_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CannotBenchmark, match=r"baseline\.json is not there; remedy: make bench-baseline"):
        baseline_file.load(tmp_path / "baseline.json")


HEAD = '{"date": "d", "commit": "c", "cpu": "p", "cores": 4, "ratios": '


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "b.json: .*remedy"),
        (HEAD + "{}}", "b.json: ratios: there is none"),
        (HEAD + '{"small-tls": {"speed": 1.0}}}', "ratios.small-tls.speed: not a figure"),
        (HEAD + '{"small-tls": {"cpu_us_per_request": 0}}}', "ratios.small-tls.cpu_us_per_request: 0.* is not above 0"),
        (HEAD + '{"small-tls": {"cpu_us_per_request": "2"}}}', r"small-tls|ratios"),
        (HEAD + '{}, "more": 1}', "more"),
    ],
    ids=["no JSON", "empty", "unknown figure", "zero", "text", "unknown key"],
)
def test_a_baseline_that_is_none_is_refused_with_the_place(content: str, reason: str) -> None:
    with pytest.raises(CannotBenchmark, match=reason):
        parse_baseline(content.encode(), "b.json")


def test_the_comparison_is_shown_with_every_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    worse = a_run(
        *rounds("small-tls", "nginx", {"cpu_us_per_request": 22.0}),
        *rounds("small-tls", "iron-proxy", {"cpu_us_per_request": 66.0}),
        *rounds("download", "nginx", {"megabytes_per_second": 400.0}),
        *rounds("download", "iron-proxy", {"megabytes_per_second": 400.0}),
    )

    show_comparisons(BASELINE, compare(BASELINE, ratios_of(worse)))

    shown = capsys.readouterr().out
    assert all(word in shown for word in ("WORSE", "kept", "not measured", "1.50", "0123456789ab"))
    assert "2 of 3 ratios are worse by more than 25% or were not measured." in shown
