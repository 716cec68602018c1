"""The arithmetic of `docs/howto/scale-out.md` gives what the page says it gives."""

import subprocess
import sys

from tests.docs.pages import fenced_blocks, text_of

PAGE = "docs/howto/scale-out.md"


def test_the_formula_prints_what_stands_below_it() -> None:
    (formula,), (printed,) = fenced_blocks(text_of(PAGE), "python"), fenced_blocks(text_of(PAGE), "text")

    done = subprocess.run([sys.executable, "-c", formula], capture_output=True, text=True, check=True)

    assert done.stdout == printed
