"""
The links of our pages, as the site needs them.

Pages are written for readers of the repository, so they lead to files outside of `docs/` and to folders. The site takes
such files in below `repository/`, and a link to a folder leads to its README.md.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

ROOT = Path(__file__).resolve().parents[1]
TAKEN_IN = "repository/"

_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")


def outside_files(first: list[str]) -> list[str]:
    """The files outside of `docs/` that its pages lead to, directly or through one another, beside the first ones."""
    found: dict[str, None] = {}
    inside = [_repository_path(page) for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "docs" / "llms.txt"]]
    waiting = [*first, *(target for page in inside for target in _leads_to(page))]
    while waiting:
        path = waiting.pop()
        if path in found or path.startswith("docs/"):
            continue
        found[path] = None
        if path.endswith(".md"):
            waiting += _leads_to(path)
    return sorted(found)


def rewritten(markdown: str, page: str) -> str:
    """A page's text with links that hold on the site. `page` is its address there, such as `howto/selftest.md`."""
    source = _in_repository(page)

    def replace(match: re.Match[str]) -> str:
        if "://" in match[0]:
            return match[0]
        return relpath(_on_site(_target(source, match[0])), dirname(page) or ".")

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _TARGET.sub(replace, part) for part in parts)


def as_addresses(markdown: str) -> str:
    """A text that is not made into a page, with links to what its neighbours are made into."""
    return re.sub(r"\.md(?=[)#])", ".html", re.sub(r"\bREADME\.md(?=[)#])", "index.md", markdown))


def _leads_to(page: str) -> Iterator[str]:
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return (_target(page, link) for link in _TARGET.findall(text) if "://" not in link)


def _target(page: str, link: str) -> str:
    path = normpath(join(dirname(page), link))
    return f"{path}/README.md" if (ROOT / path).is_dir() else path


def _repository_path(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _in_repository(page: str) -> str:
    return page.removeprefix(TAKEN_IN) if page.startswith(TAKEN_IN) else f"docs/{page}"


def _on_site(path: str) -> str:
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{TAKEN_IN}{path}"
