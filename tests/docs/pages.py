"""The Markdown pages of the project, and what the docs tests read out of them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def markdown_files() -> list[str]:
    """Every page, relative to the project's folder."""
    folders = ("docs", "examples", "skills", ".github")
    pages = [*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))]
    return sorted(str(page.relative_to(ROOT)) for page in pages)


def text_of(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    """All code blocks: the language, or "", and the code."""
    return _FENCE.findall(text)


def fenced_blocks(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return [body for kind, body in _FENCE.findall(text) if kind == language]


def code_spans(text: str) -> list[str]:
    """Everything in backquotes, code blocks aside."""
    return _CODE_SPAN.findall(_FENCE.sub("", text))


def links(text: str) -> list[str]:
    """The targets of all links, code blocks aside."""
    return _LINK.findall(_FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """What a link may name behind `#`: the headings, as renderers spell them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def mentions(page: str, word: str) -> bool:
    """Whether a page has a word in backquotes, alone or as a part of a path such as `dns.listen`."""
    whole = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
    return any(whole.search(span) for span in code_spans(page))
