import io

import pytest
from rich.console import Console, RenderableType
from tests.unit.demo.demo_runs import good_run

from iron_proxy.demo.checks import find_surprises
from iron_proxy.demo.observation import DemoRun
from iron_proxy.demo.report import introduction, report
from iron_proxy.demo.scenario import SECRETS


def shown(renderable: RenderableType, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(renderable)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def report_of(run: DemoRun, width: int = 140) -> str:
    return shown(report(run, find_surprises(run)), width)


def test_the_introduction_says_who_holds_what() -> None:
    text = shown(introduction())

    assert "7 requests" in text
    assert all(secret.token in text and secret.value in text for secret in SECRETS)


def test_a_row_has_what_each_party_saw() -> None:
    text = report_of(good_run())

    row = next(line for line in text.splitlines() if "secret-value" in line)
    assert "X-Internal: proxy-internal-tok" in row
    assert "X-Internal: real-internal-secret-value" in row
    assert "rejected_by allowlist" in text
    assert "swapped OPENAI_API_KEY" in text
    assert text.count("and sent it back") == 2
    assert text.count("redacted it") == 2


def test_all_well_is_the_last_word() -> None:
    text = report_of(good_run())

    assert "All 7 requests went as they should, in 0.5 s." in text
    assert text.count("as expected") == 7
    assert "SURPRISE" not in text


def test_a_surprise_is_marked_in_its_row_and_told_at_the_end() -> None:
    run = good_run()
    run.observations[0].client.status = 502
    run.observations[2].audit = None

    text = report_of(run)

    assert text.count("SURPRISE") == 2
    assert "there is none" in text
    assert "2 surprises" in text
    assert "- request 1: the client saw status 502 where 200 was due" in text


def test_what_failed_is_shown_in_its_cells() -> None:
    run = good_run()
    run.observations[5].client.error = "nothing came in time"
    run.observations[5].audit = {**(run.observations[5].audit or {}), "error": "no upstream"}

    text = report_of(run)

    assert "→ nothing came in time" in text
    assert "error: no upstream" in text


def test_a_run_without_any_swap_is_shown_without_an_audit_line() -> None:
    run = good_run()
    for observation in run.observations:
        observation.audit = None
    run.names_looked_up = ()

    text = report_of(run)

    assert "in full" not in text
    assert "looked up: none" in text


@pytest.mark.parametrize("width", [80, 120, 140])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_cut_off(width: int) -> None:
    text = report_of(good_run(), width)

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_what_came_over_the_wire_is_not_taken_for_markup() -> None:
    run = good_run()
    run.observations[0].client.body = "[bold]x[/bold]"

    assert "[bold]x[/bold]" in report_of(run)
