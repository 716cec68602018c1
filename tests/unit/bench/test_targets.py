import pytest
from bench.results import Result
from bench.targets import TARGETS, Target, Verdict
from tests.unit.bench.a_run import a_run, rounds


def the(work: str, unit: str = "") -> Target:
    (found,) = [target for target in TARGETS if work in target.work and unit in target.unit]
    return found


def small_gets(**cpu: float) -> Result:
    names = {"ours": "iron-proxy", "upstream": "iron-proxy-go"}
    arms = [rounds("small-tls", names.get(arm, arm), {"cpu_us_per_request": value}) for arm, value in cpu.items()]
    return a_run(*[sample for samples in arms for sample in samples])


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(39.9, Verdict.REACHED), (40.0, Verdict.REACHED), (40.1, Verdict.MISSED)],
    ids=["below twice nginx", "exactly twice", "above"],
)
def test_cpu_per_request_is_held_against_nginx_of_the_same_run(ours: float, verdict: Verdict) -> None:
    run = small_gets(nginx=20.0, ours=ours)

    assert [target.work for target in TARGETS if target.verdict(run) is not Verdict.NOT_MEASURED] == [
        "small GET over TLS: CPU per request"
    ]
    assert the("small GET over TLS", "nginx").verdict(run) is verdict


@pytest.mark.parametrize(
    ("unit", "cpu", "bound"),
    [
        ("Envoy", {"envoy": 60.0}, 60.0),
        ("iron-proxy-go", {"upstream": 440.0}, 110.0),
        ("mitmproxy", {"mitmproxy": 1140.0}, 57.0),
    ],
)
def test_cpu_per_request_is_held_against_each_rival(unit: str, cpu: dict[str, float], bound: float) -> None:
    target = the("small GET over TLS", unit)

    assert target.verdict(small_gets(ours=bound - 1, **cpu)) is Verdict.REACHED
    assert target.verdict(small_gets(ours=bound + 1, **cpu)) is Verdict.MISSED


@pytest.mark.parametrize(
    ("ours", "verdict"), [(450.0, Verdict.REACHED), (430.0, Verdict.MISSED)], ids=["faster", "slower"]
)
def test_a_download_has_to_be_at_least_as_fast_as_nginx(ours: float, verdict: Verdict) -> None:
    run = a_run(
        *rounds("download", "nginx", {"megabytes_per_second": 440.0}),
        *rounds("download", "iron-proxy", {"megabytes_per_second": ours}),
    )

    assert the("download, body untouched").verdict(run) is verdict


@pytest.mark.parametrize(("scanned", "verdict"), [(61.0, Verdict.REACHED), (59.0, Verdict.MISSED)])
def test_a_scanned_body_is_held_against_an_untouched_one(scanned: float, verdict: Verdict) -> None:
    run = a_run(
        *rounds("upload", "body-untouched", {"megabytes_per_second": 100.0}),
        *rounds("upload", "body-scanned", {"megabytes_per_second": scanned}),
    )

    assert the("match_body").verdict(run) is verdict


def test_latency_counts_only_what_is_added_over_the_direct_way() -> None:
    run = a_run(
        *rounds("one-connection", "direct", {"latency_p50_ms": 0.5, "latency_p99_ms": 0.6}),
        *rounds("one-connection", "iron-proxy", {"latency_p50_ms": 0.6, "latency_p99_ms": 1.5}),
    )

    assert the("p50").verdict(run) is Verdict.REACHED
    assert the("p99").verdict(run) is Verdict.MISSED


def test_start_and_memory_are_those_of_fresh_processes() -> None:
    run = a_run(
        *rounds("start", "iron-proxy", {"first_answer_ms": 300.0, "resident_mib": 61.0, "key_read_ms": 299.0}),
        *rounds("after-load", "iron-proxy", {"resident_mib": 10.0}),
    )

    assert the("start to first answer").verdict(run) is Verdict.REACHED
    assert the("CA key read").verdict(run) is Verdict.REACHED
    assert the("resident memory, idle").verdict(run) is Verdict.MISSED


def workers(requests_per_second: float, second_core: int | None) -> Result:
    one = rounds("small-tls", "iron-proxy", {"requests_per_second": 100.0})
    two = rounds("small-tls", "iron-proxy-2-workers", {"requests_per_second": requests_per_second})
    return a_run(*one, *two, second_core=second_core)


def test_workers_are_judged_only_where_they_have_a_core_each_beside_origin_and_load() -> None:
    target = the("two workers")

    assert target.verdict(workers(180.0, 1)) is Verdict.REACHED
    assert target.verdict(workers(170.0, 1)) is Verdict.MISSED
    assert target.verdict(workers(170.0, None)) is Verdict.NOT_MEASURED
    assert target.measured(workers(170.0, None)) == 1.7
    assert "four cores" in str(target.obstacle(workers(170.0, None)))


def idle(connections: float, kib: float) -> Result:
    figures = {"connections": connections, "kib_per_connection": kib, "cpu_us_alone": 50.0, "cpu_us_beside": 56.0}
    return a_run(*rounds("idle", "iron-proxy", figures))


def test_fewer_idle_connections_than_meant_are_told_and_not_judged() -> None:
    target = the("idle TLS connections")

    assert target.verdict(idle(10_000, 39.0)) is Verdict.REACHED
    assert target.verdict(idle(10_000, 41.0)) is Verdict.MISSED
    assert target.verdict(idle(523, 39.0)) is Verdict.NOT_MEASURED
    assert target.obstacle(idle(523, 39.0)) == "only 523 connections: too few descriptors"


def test_other_traffic_may_not_cost_a_tenth_more_beside_idle_connections() -> None:
    assert the("beside them").measured(idle(10_000, 39.0)) == pytest.approx(1.12)
    assert the("beside them").verdict(idle(10_000, 39.0)) is Verdict.MISSED


def test_many_rules_are_held_against_one_of_each() -> None:
    run = a_run(
        *rounds("scale-together", "one-of-each", {"cpu_us_per_request": 50.0}),
        *rounds("scale-together", "many-of-each", {"cpu_us_per_request": 56.0}),
    )

    assert the("1,000 wildcards").verdict(run) is Verdict.MISSED


def test_dns_answers_are_counted_by_the_cpu_time_they_take() -> None:
    run = a_run(*rounds("dns-intercept", "dns-intercept", {"answers_per_cpu_second": 120_000.0}))

    assert the("DNS answers").verdict(run) is Verdict.REACHED
    assert the("DNS refusals").verdict(run) is Verdict.NOT_MEASURED


def test_nothing_measured_is_neither_reached_nor_missed() -> None:
    assert {target.verdict(a_run()) for target in TARGETS} == {Verdict.NOT_MEASURED}


def test_no_two_targets_are_the_same() -> None:
    assert len({(target.work, target.unit) for target in TARGETS}) == len(TARGETS)
