"""
`iron-proxy generate-ca`: make a CA and put `ca.crt` and `ca.key` into a folder.

What a CA looks like and how it is put on disk is in `certs/generation.py`; here are the flags and the words. Called by
`cli/main.py`.
"""

import os

from iron_proxy.cli.arguments import read_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK
from iron_proxy.errors import StartupError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

FLAGS = FlagSet(
    "generate-ca",
    [
        Flag("outdir", ".", "the folder for ca.crt and ca.key, made if it does not exist", "FOLDER"),
        Flag("name", "iron-proxy CA", "the CA's common name, at most 64 bytes", "NAME"),
        Flag("expiry-hours", 8760, "how long the CA is valid", "HOURS"),
        Flag("alg", "rsa4096", "the kind of key: rsa4096, ed25519 or p256", "ALGORITHM"),
    ],
)


def run(arguments: list[str]) -> int:
    """Make a CA; returns the exit status."""
    flags = read_flags(FLAGS, arguments, "; the folder is given as: -outdir FOLDER")
    return flags if isinstance(flags, int) else _generate(flags)


def _generate(flags: ParsedFlags) -> int:
    from iron_proxy.certs import generation  # cryptography: not for a usage error

    try:
        paths = generation.ca_paths(flags.text("outdir"))
        generation.check_nothing_in_the_way(paths)
        ca = generation.generate_ca(flags.text("name"), flags.integer("expiry-hours"), flags.text("alg"))
        generation.write_ca(paths, ca)
    except StartupError as error:
        return complain(error, status=FAILURE)
    for path in paths:
        # A folder's name need not be UTF-8; standard output takes nothing else.
        print(f"wrote {os.fsencode(path).decode('utf-8', 'replace')}")
    return OK
