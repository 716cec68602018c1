"""The picture of the demo in the README: made from its real output by WRITE_DEMO_PICTURE=1, and held to its steps."""

import html
import io
import os
import re

import pytest
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group
from rich.table import Table
from rich.terminal_theme import MONOKAI
from tests.docs.pages import ROOT, text_of

from iron_proxy.demo.checks import find_surprises
from iron_proxy.demo.report import introduction, report
from iron_proxy.demo.run import run_demo
from iron_proxy.demo.scenario import SECRETS, STEPS

PICTURE = "docs/images/demo.svg"
# Wide enough for tokens and secrets in one line each.
COLUMNS = 132


def drawn() -> str:
    """The demo's first lines and its table, as in a terminal. The font is the reader's own: nothing is loaded."""
    run = run_demo()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(introduction())
    told = report(run, find_surprises(run))
    assert isinstance(told, Group)
    console.print(next(part for part in told.renderables if isinstance(part, Table)))
    without_fonts = re.sub(r"    @font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    picture = console.export_svg(title="iron-proxy demo", theme=MONOKAI, code_format=without_fonts, unique_id="demo")
    return picture.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace")


def words_of(picture: str) -> str:
    """What can be read in it, without the places where lines break."""
    spoken = html.unescape(re.sub(r"</text>|<[^>]*>", "", picture))
    return re.sub(r"[\s\xa0│]+", "", spoken)


def test_the_picture_shows_the_demo_of_today() -> None:
    if os.environ.get("WRITE_DEMO_PICTURE"):
        (ROOT / PICTURE).write_text(drawn(), encoding="utf-8")
        pytest.skip("written")
    shown = words_of(text_of(PICTURE))

    words = {word for step in STEPS for word in step.title.split()}
    values = {value for secret in SECRETS for value in (secret.token, secret.value)}

    assert [word for word in sorted(words | values) if word not in shown] == []
    assert shown.count("asexpected") == len(STEPS)
    assert "SURPRISE" not in shown


def test_the_picture_loads_nothing_from_elsewhere() -> None:
    assert re.findall(r"url\([\"']?https?:|href=[\"']https?:", text_of(PICTURE)) == []
