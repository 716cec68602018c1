"""What `make docs` builds, as far as it can be told without mkdocs: the navigation, the links, the index for models."""

import re
from collections import Counter
from collections.abc import Iterator
from posixpath import dirname, join, normpath
from typing import Any

import pytest
from ruamel.yaml import YAML
from scripts.site_links import TAKEN_IN, as_addresses, outside_files, rewritten
from tests.docs.pages import ROOT, links, text_of

SITE = YAML(typ="safe").load(text_of("mkdocs.yml"))
PAGES = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
PROJECT_PAGES = re.findall(r'"(\w+\.md)"', text_of("scripts/site_hooks.py"))
OUTSIDE = outside_files(PROJECT_PAGES)
ON_SITE = sorted([*PAGES, *(TAKEN_IN + path for path in OUTSIDE if path.endswith(".md"))])


def navigation(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for below in entry.values():
            yield from navigation(below if isinstance(below, list) else [below])


def source_of(page: str) -> str:
    return page.removeprefix(TAKEN_IN) if page.startswith(TAKEN_IN) else f"docs/{page}"


def test_the_navigation_has_every_page_once() -> None:
    listed = Counter(navigation(SITE["nav"]))

    assert sorted(listed) == sorted([*PAGES, *(TAKEN_IN + page for page in PROJECT_PAGES)])
    assert [page for page, count in listed.items() if count > 1] == []


def test_the_table_of_pages_has_every_page() -> None:
    listed = {link.partition("#")[0] for link in links(text_of("docs/README.md"))}

    assert {page for page in PAGES if not page.startswith("adr/")} - listed == {"README.md"}


@pytest.mark.parametrize("page", ON_SITE)
def test_a_link_of_a_page_leads_somewhere_on_the_site(page: str) -> None:
    there = {*(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*") if path.is_file())}
    there |= {TAKEN_IN + path for path in OUTSIDE}
    shown = rewritten(text_of(source_of(page)), page)

    targets = [link.partition("#")[0] for link in links(shown) if "://" not in link]

    assert [target for target in targets if target and normpath(join(dirname(page), target)) not in there] == []


def test_code_is_left_as_it_is() -> None:
    text = "[a](../adr)\n\n```\n[a](../adr)\n```\n\n[b](https://example.com/x.md) [c](#here)\n"

    assert rewritten(text, "howto/x.md") == text.replace("(../adr)\n\n", "(../adr/README.md)\n\n", 1)


def test_an_address_is_that_of_the_built_page() -> None:
    text = "[a](howto/x.md#y) [b](adr/README.md) [c](reference/s.json) README.md"

    assert as_addresses(text) == "[a](howto/x.html#y) [b](adr/index.html) [c](reference/s.json) README.md"


@pytest.mark.parametrize("page", ON_SITE)
def test_a_list_begins_behind_an_empty_line(page: str) -> None:
    """Else the site shows it as a part of the paragraph."""
    text = re.sub(r"^```.*?^```$", "", text_of(source_of(page)), flags=re.MULTILINE | re.DOTALL)

    assert re.findall(r"^(?![*-] |\d+\. |[#|> \n])[^\n]+\n(?:[*-]|\d+\.) .*", text, re.MULTILINE) == []


def test_the_index_for_language_models_has_every_page_but_single_decisions() -> None:
    listed = {link.partition("#")[0] for link in links(text_of("docs/llms.txt"))}

    missing = [page for page in sorted(PAGES - {"README.md"}) if page not in listed and not page.startswith("adr/0")]

    assert missing == []
    assert [link for link in sorted(listed) if not (ROOT / "docs" / link).is_file()] == []


def test_the_index_for_language_models_has_the_form_of_one() -> None:
    lines = text_of("docs/llms.txt").splitlines()

    assert lines[0] == "# iron-proxy"
    assert lines[2].startswith("> ")
