"""What mkdocs.yml calls while it builds the site: see site_links.py."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify
from site_links import ROOT, TAKEN_IN, as_addresses, outside_files, rewritten

# Pages of the repository's top folder that the navigation has.
PROJECT_PAGES = ["CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md"]

_FROM_ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe)[^>]+src="?https?:|<link[^>]+rel="?stylesheet[^>]+href="?https?:"""
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give headings the anchors that readers of the repository see."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take in what pages lead to outside of `docs/`."""
    for path in outside_files(PROJECT_PAGES):
        inclusion = InclusionLevel.INCLUDED if path in PROJECT_PAGES else InclusionLevel.NOT_IN_NAV
        content = (ROOT / path).read_bytes()
        files.append(File.generated(config, TAKEN_IN + path, content=content, inclusion=inclusion))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make its links hold."""
    return rewritten(markdown, page.file.src_uri)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that makes a reader's browser load something from elsewhere."""
    if found := _FROM_ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {found[0]}")
    return output


def on_post_build(config: MkDocsConfig) -> None:
    """Let the index for language models lead to pages of the site."""
    index = Path(config.site_dir) / "llms.txt"
    index.write_text(as_addresses(rewritten(index.read_text(encoding="utf-8"), "llms.txt")), encoding="utf-8")
