"""
`iron-proxy schema`: print the JSON Schema of configurations, which lets an editor complete and check them.

The file is made from the code that reads configurations, and a test holds the two together. Called by `cli/main.py`.
"""

from importlib.resources import files

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.main import OK
from iron_proxy.cli.standard_output import write_document
from iron_proxy.go_compat.flags import FlagSet

FLAGS = FlagSet("schema", [])


def run(arguments: list[str]) -> int:
    """Print the schema; returns the exit status."""
    flags = read_flags(FLAGS, arguments)
    if isinstance(flags, int):
        return flags
    write_document(files("iron_proxy.config").joinpath("iron-proxy.schema.json").read_text(encoding="utf-8"))
    return OK
