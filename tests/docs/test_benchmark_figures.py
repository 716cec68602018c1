"""The explanation of our speed quotes the page of benchmarks, and WRITE_BENCHMARK_FIGURES=1 brings it up to date."""

import os
import re

import pytest
from tests.docs.benchmark_figures import excerpt, profile_excerpt
from tests.docs.pages import ROOT, text_of

PAGE = "docs/explanation/why-python.md"
MARKED = re.compile(r"(?<=-->\n)[^<]*?(?=<!-- figures: end -->)", re.DOTALL)
PROFILED = re.compile(r"(?<=-->\n)[^<]*?(?=<!-- profile: end -->)", re.DOTALL)


def test_the_figures_are_those_of_the_benchmark_page() -> None:
    check_block(MARKED, excerpt(text_of("docs/reference/benchmarks.md")))


def test_where_the_rest_goes_is_that_of_the_newest_profile() -> None:
    newest = max((ROOT / "bench" / "profiles").glob("*.md"))

    check_block(PROFILED, profile_excerpt(newest.name, newest.read_text(encoding="utf-8")))


def check_block(pattern: re.Pattern[str], text: str) -> None:
    """What stands in a place of the page must be this; or is made so."""
    shown, now = text_of(PAGE), f"\n{text}\n"
    if os.environ.get("WRITE_BENCHMARK_FIGURES"):
        (ROOT / PAGE).write_text(pattern.sub(lambda _: now, shown, count=1), encoding="utf-8")
        pytest.skip("written")

    found = pattern.search(shown)

    assert found
    assert found[0] == now, "run: WRITE_BENCHMARK_FIGURES=1 pytest tests/docs/test_benchmark_figures.py"


def test_no_other_figure_with_a_unit_stands_in_the_text() -> None:
    rest = PROFILED.sub("", MARKED.sub("", text_of(PAGE)))

    assert re.findall(r"\d[\d.,]* ?(?:µs|ms|MiB|%|requests)", rest) == []
