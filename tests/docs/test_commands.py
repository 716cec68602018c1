"""The commands that the pages tell people to type exist."""

import re

import pytest
from tests.docs.pages import ROOT, fenced_blocks, markdown_files, text_of

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("page", markdown_files())
def test_every_make_target_in_a_page_exists(page: str) -> None:
    text = text_of(page)
    lines = [line for block in fenced_blocks(text, "") for line in block.splitlines()]
    shown = [found[1] for line in lines if (found := re.match(r"make ([a-z-]+)", line))]
    shown += re.findall(r"`make ([a-z-]+)[^`]*`", text)

    assert set(shown) <= TARGETS


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) < 200


def test_every_target_makes_its_environment_first() -> None:
    needs_none = {"help", "venv", "lock", "clean"}

    without = [
        target for target in TARGETS - needs_none if not re.search(rf"^{target}: venv\b", MAKEFILE, re.MULTILINE)
    ]

    assert without == []
