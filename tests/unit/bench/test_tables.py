from bench.results import ArmDescription, Failure
from bench.tables import NOTHING, Table, tables
from tests.unit.bench.a_run import ARMS, a_run, rounds


def figures(cpu: float) -> dict[str, float]:
    return {"cpu_us_per_request": cpu, "requests_per_second": 12345.6, "latency_p50_ms": 0.5, "latency_p99_ms": 1.25}


DIRECT = rounds("small-tls", "direct", {"requests_per_second": 50000.0, "latency_p50_ms": 0.4, "latency_p99_ms": 0.5})
NGINX = rounds("small-tls", "nginx", figures(20.0), figures(22.0), figures(21.0))
OURS = rounds("small-tls", "iron-proxy", figures(42.0), figures(42.0), figures(63.0))


def titled(found: list[Table], title: str) -> Table:
    return next(table for table in found if table.title.startswith(title))


def test_a_row_shows_medians_the_ratio_to_nginx_and_the_spread() -> None:
    table = titled(tables(a_run(*DIRECT, *NGINX, *OURS)), "Small GET, TLS")

    assert table.headings == ("proxy", "CPU µs/request", "× nginx", "spread", "requests/s", "p50 ms", "p99 ms")
    assert table.rows[2] == ("iron-proxy", "42.0", "2.00", "50%", "12,346", "0.50", "1.25")


def test_the_direct_arm_is_shown_without_figures_of_a_process_it_does_not_have() -> None:
    table = titled(tables(a_run(*DIRECT, *NGINX, *OURS)), "Small GET, TLS")

    assert table.rows[0] == ("direct, no proxy", NOTHING, NOTHING, NOTHING, "50,000", "0.40", "0.50")


def test_an_arm_that_could_not_start_says_why_in_every_table() -> None:
    failure = Failure(None, "nginx", "nginx is not installed")

    found = tables(a_run(*OURS, *rounds("start", "iron-proxy", {"resident_mib": 50.0}), failures=[failure]))

    for title in ("Small GET, TLS", "Start"):
        assert titled(found, title).rows[1][0] == "nginx, reverse proxy: failed: nginx is not installed"


def test_what_is_not_installed_is_no_failure() -> None:
    failure = Failure(None, "nginx", "nginx is not installed", is_fault=False)

    found = tables(a_run(*OURS, failures=[failure]))

    assert titled(found, "Small GET, TLS").rows[1][0] == "nginx, reverse proxy: not measured: nginx is not installed"


def test_every_table_has_the_arms_of_its_own_group() -> None:
    shape = ArmDescription("secrets-10", "10 secrets", "1", "", "scale-secrets")
    curve = rounds("scale-secrets", "secrets-10", {"cpu_us_per_request": 40.0})

    found = tables(a_run(*OURS, *curve, arms=[*ARMS, shape]))

    assert [row[0] for row in titled(found, "Cost by the number of secrets").rows] == ["10 secrets"]
    assert len(titled(found, "Small GET, TLS").rows) == 3


def test_what_keeps_a_target_from_being_judged_stands_beside_it() -> None:
    one = rounds("small-tls", "iron-proxy", {"requests_per_second": 100.0})
    two = rounds("small-tls", "iron-proxy-2-workers", {"requests_per_second": 150.0})

    (row,) = [row for row in titled(tables(a_run(*one, *two)), "Targets").rows if "two workers" in row[0]]

    assert row[2] == "1.5 × one worker"
    assert row[3].startswith("not measured: needs four cores")


def test_a_failure_in_one_workload_leaves_the_others_alone() -> None:
    failure = Failure("download", "iron-proxy", "a download ended early")

    found = tables(a_run(*OURS, failures=[failure]))

    assert titled(found, "100 MB").rows[2] == ("iron-proxy: failed: a download ended early", *[NOTHING] * 5)
    assert titled(found, "Small GET, TLS").rows[2][1] == "42.0"


def test_added_latency_is_over_the_direct_arm() -> None:
    run = a_run(
        *rounds("one-connection", "direct", {"latency_p50_ms": 0.050, "latency_p99_ms": 0.1}),
        *rounds("one-connection", "iron-proxy", {"latency_p50_ms": 0.175, "latency_p99_ms": 0.4}),
    )

    table = titled(tables(run), "Small GET, TLS in and out, 1 connection")

    assert table.rows[0][2] == NOTHING
    assert table.rows[2][1:5] == ("0.175", "0.125", "0.400", "0.300")


def test_workloads_that_were_not_run_have_no_table() -> None:
    assert [table.title for table in tables(a_run(*OURS))] == ["Small GET, TLS in and out, 32 connections", "Targets"]


def test_every_row_has_as_many_cells_as_there_are_headings() -> None:
    run = a_run(*DIRECT, *OURS, failures=[Failure(None, "nginx", "missing")])

    assert all(len(row) == len(table.headings) for table in tables(run) for row in table.rows)


def test_a_missed_target_is_shown_as_missed() -> None:
    run = a_run(*NGINX, *rounds("small-tls", "iron-proxy", figures(63.0)))

    assert titled(tables(run), "Targets").rows[0][1:] == ("at most 2 × nginx", "3 × nginx", "MISSED")
