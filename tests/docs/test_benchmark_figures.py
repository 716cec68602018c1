"""The explanation of our speed quotes the page of benchmarks, and WRITE_BENCHMARK_FIGURES=1 brings it up to date."""

import os
import re

import pytest
from tests.docs.benchmark_figures import excerpt
from tests.docs.pages import ROOT, text_of

PAGE = "docs/explanation/why-python.md"
MARKED = re.compile(r"(?<=-->\n).*?(?=<!-- figures: end -->)", re.DOTALL)


def test_the_figures_are_those_of_the_benchmark_page() -> None:
    shown, now = text_of(PAGE), f"\n{excerpt(text_of('docs/reference/benchmarks.md'))}\n"
    if os.environ.get("WRITE_BENCHMARK_FIGURES"):
        (ROOT / PAGE).write_text(MARKED.sub(lambda _: now, shown, count=1), encoding="utf-8")
        pytest.skip("written")

    found = MARKED.search(shown)

    assert found
    assert found[0] == now, "run: WRITE_BENCHMARK_FIGURES=1 pytest tests/docs/test_benchmark_figures.py"


def test_no_other_figure_with_a_unit_stands_in_the_text() -> None:
    rest = MARKED.sub("", text_of(PAGE))

    assert re.findall(r"\d[\d.,]* ?(?:µs|ms|MiB|%|requests)", rest) == []
