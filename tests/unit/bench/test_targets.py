import pytest
from bench.targets import TARGETS, Verdict
from tests.unit.bench.a_run import a_run, rounds

CPU, RATE, P50, P99, START, MEMORY = TARGETS


def with_cpu(ours: float) -> list[Verdict]:
    run = a_run(
        *rounds("small-tls", "nginx", {"cpu_us_per_request": 20.0}),
        *rounds("small-tls", "iron-proxy", {"cpu_us_per_request": ours}),
    )
    return [target.verdict(run) for target in TARGETS]


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(39.9, Verdict.REACHED), (40.0, Verdict.REACHED), (40.1, Verdict.MISSED)],
    ids=["below twice nginx", "exactly twice", "above"],
)
def test_cpu_per_request_is_held_against_nginx_of_the_same_run(ours: float, verdict: Verdict) -> None:
    assert with_cpu(ours) == [verdict] + [Verdict.NOT_MEASURED] * 5


@pytest.mark.parametrize(
    ("ours", "verdict"), [(450.0, Verdict.REACHED), (430.0, Verdict.MISSED)], ids=["faster", "slower"]
)
def test_a_download_has_to_be_at_least_as_fast_as_nginx(ours: float, verdict: Verdict) -> None:
    run = a_run(
        *rounds("download", "nginx", {"megabytes_per_second": 440.0}),
        *rounds("download", "iron-proxy", {"megabytes_per_second": ours}),
    )

    assert RATE.verdict(run) is verdict


def test_latency_counts_only_what_is_added_over_the_direct_way() -> None:
    run = a_run(
        *rounds("one-connection", "direct", {"latency_p50_ms": 0.5, "latency_p99_ms": 0.6}),
        *rounds("one-connection", "iron-proxy", {"latency_p50_ms": 0.6, "latency_p99_ms": 1.5}),
    )

    assert (P50.verdict(run), P99.verdict(run)) == (Verdict.REACHED, Verdict.MISSED)


def test_start_and_memory_are_those_of_fresh_processes() -> None:
    run = a_run(
        *rounds("start", "iron-proxy", {"first_answer_ms": 300.0, "resident_mib": 61.0}),
        *rounds("after-load", "iron-proxy", {"resident_mib": 10.0}),
    )

    assert (START.verdict(run), MEMORY.verdict(run)) == (Verdict.REACHED, Verdict.MISSED)


def test_nothing_measured_is_neither_reached_nor_missed() -> None:
    assert {target.verdict(a_run()) for target in TARGETS} == {Verdict.NOT_MEASURED}
