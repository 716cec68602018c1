"""The arithmetic of `docs/howto/scale-out.md` gives what the page says it gives."""

import re
import subprocess
import sys

import pytest
from tests.docs.benchmark_figures import figure_of_ours
from tests.docs.pages import fenced_blocks, text_of

PAGE = "docs/howto/scale-out.md"


def test_the_formula_prints_what_stands_below_it() -> None:
    (formula,), (printed,) = fenced_blocks(text_of(PAGE), "python"), fenced_blocks(text_of(PAGE), "text")

    done = subprocess.run([sys.executable, "-c", formula], capture_output=True, text=True, check=True)

    assert done.stdout == printed


@pytest.mark.parametrize(
    ("name", "words"), [("cpu_us", "small GET, TLS in and out, CPU"), ("process_mib", "memory after load")]
)
def test_it_begins_with_the_figures_of_the_benchmark_page(name: str, words: str) -> None:
    put_in = re.search(rf"^{name} = ([\d.]+) ", text_of(PAGE), re.MULTILINE)

    assert put_in is not None
    assert put_in[1] == figure_of_ours(text_of("docs/reference/benchmarks.md"), words)
