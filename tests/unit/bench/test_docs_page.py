from bench.docs_page import docs_page, markdown_table, notes
from bench.results import ArmDescription, Failure
from bench.tables import Table
from tests.unit.bench.a_run import ARMS, a_run, rounds

SAMPLES = rounds("small-tls", "iron-proxy", {"cpu_us_per_request": 42.0})


def test_the_page_tells_the_circumstances_and_the_figures() -> None:
    page = docs_page(a_run(*SAMPLES))

    for text in ("2030-01-31T12:05Z", "`0123456789ab`", "A processor, 4 cores", "nginx/1.2.3", "wrk 4.1", "| 42.0 |"):
        assert text in page
    assert page.startswith("# Benchmarks\n")
    assert page.endswith("has the options.\n")


def test_versions_are_those_of_the_proxies_and_not_of_every_shape_of_one() -> None:
    page = docs_page(
        a_run(*SAMPLES, arms=[*ARMS, ArmDescription("secrets-10", "10 secrets", "9.9", "", "scale-secrets")])
    )

    assert "nginx/1.2.3" in page
    assert "9.9" not in page


def test_the_page_tells_what_each_was_configured_to_do_and_shows_its_chart() -> None:
    page = docs_page(a_run(*SAMPLES, arms=[ArmDescription("iron-proxy", "iron-proxy", "1", "It decides.")]))

    assert "* **iron-proxy**: It decides." in page
    assert "](benchmarks/small-tls.svg)" in page


def test_a_table_is_markdown_with_numbers_to_the_right() -> None:
    table = Table("Speed", ("proxy", "MB/s"), (("nginx", "440"),))

    assert markdown_table(table) == "## Speed\n\n| proxy | MB/s |\n| --- | ---: |\n| nginx | 440 |"


def test_what_a_program_said_cannot_break_the_table() -> None:
    page = docs_page(a_run(failures=[Failure("small-tls", "nginx", "bad | pipe\n<b>")]))

    assert "| nginx, reverse proxy: failed: bad \\| pipe &lt;b> |" in page


def test_a_busy_machine_is_named() -> None:
    assert notes(a_run(busy_before=0.54)) == [
        "Other programs used 54% of the machine before the run: take the figures as rough."
    ]
    assert "54%" in docs_page(a_run(busy_before=0.54))


def test_shared_cores_are_named() -> None:
    assert "shared a core" in notes(a_run(cores=(0, 1, 1)))[0]
    assert "one core for everything" in notes(a_run(cores=(None, None, None)))[0]


def test_a_quiet_machine_with_three_cores_needs_no_note() -> None:
    assert notes(a_run()) == []
