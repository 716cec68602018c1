"""
`iron-proxy demo`: show what the proxy does, with nothing configured and no internet.

What happens is in `demo/run.py`, what must come of it in `demo/checks.py`; here are the flags, the printing and the
exit status: 0 when all went as it should, 1 at any surprise. Called by `cli/main.py`.
"""

import os
import sys
from io import TextIOWrapper

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.interruption import Interruption
from iron_proxy.cli.main import FAILURE, OK
from iron_proxy.cli.standard_output import write_document
from iron_proxy.errors import IronProxyError
from iron_proxy.go_compat.flags import Flag, FlagSet

FLAGS = FlagSet(
    "demo",
    [
        Flag("json", False, "print one JSON object instead of the table"),
        Flag("no-color", False, "print without colours; so does a variable NO_COLOR that is not empty"),
    ],
)


def run(arguments: list[str]) -> int:
    """Run the demo; returns the exit status."""
    flags = read_flags(FLAGS, arguments)
    if isinstance(flags, int):
        return flags
    with Interruption() as interruption:
        try:
            return _show_json(interruption) if flags.boolean("json") else _show(interruption, flags.boolean("no-color"))
        except IronProxyError as error:
            return complain(error, status=FAILURE)
        except KeyboardInterrupt:
            return complain("interrupted; everything has been stopped and removed", status=FAILURE)


def _show(interruption: Interruption, no_color: bool) -> int:
    # Heavy from here on: cryptography, dnspython, rich.
    from rich.console import Console

    from iron_proxy.demo.checks import find_surprises
    from iron_proxy.demo.report import introduction, report
    from iron_proxy.demo.run import run_demo

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an arrow must not end the demo where output is ASCII
    is_plain = no_color or bool(os.environ.get("NO_COLOR"))
    console = Console(color_system=None if is_plain else "auto", highlight=False)
    console.print(introduction())
    demo = run_demo(checkpoint=interruption.checkpoint)
    surprises = find_surprises(demo)
    console.print(report(demo, surprises))
    return FAILURE if surprises.sentences else OK


def _show_json(interruption: Interruption) -> int:
    from iron_proxy.demo.checks import find_surprises
    from iron_proxy.demo.json_report import json_report
    from iron_proxy.demo.run import run_demo

    demo = run_demo(checkpoint=interruption.checkpoint)
    surprises = find_surprises(demo)
    write_document(json_report(demo, surprises) + "\n")
    return FAILURE if surprises.sentences else OK
