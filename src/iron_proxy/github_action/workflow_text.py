"""
Text for GitHub Actions that means only what it says: annotations, and cells and blocks of the job summary.

Hosts, paths and reasons are what a program asked for, which may be anything. Pure.
"""

import html
import re
from collections.abc import Sequence
from typing import Final

from iron_proxy.audit_reading.terminal_text import escaped

# What can begin neither markup, a link, a mention nor a cell. Dots are not among it, for "www." becomes a link.
_INERT: Final = re.compile(r"[A-Za-z0-9 /-]")
_BACKTICKS: Final = re.compile("`+")


def annotation(level: str, title: str, message: str) -> str:
    """A workflow command for standard output: `level` is error, warning or notice."""
    return f"::{level} title={_property(title)}::{_on_one_line(escaped(message, 2000))}"


def code(text: str) -> str:
    """As code, in a cell of a table or in a line."""
    return f"<code>{''.join(map(_entity, escaped(text)))}</code>" if text else ""


def block(lines: Sequence[str], language: str) -> list[str]:
    """A fenced block that nothing in the lines can end (GFM 4.5)."""
    longest = max((len(ticks) for line in lines for ticks in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def _entity(character: str) -> str:
    if _INERT.fullmatch(character):
        return character
    return html.escape(character) if character in "<>&" else f"&#{ord(character)};"


def _on_one_line(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _on_one_line(text).replace(":", "%3A").replace(",", "%2C")
