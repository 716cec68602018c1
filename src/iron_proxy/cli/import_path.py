"""
Where modules are imported from: never from the folder that the command was started in.

`python -m` looks there first, and so does an entry of PYTHONPATH that is empty or a dot: a hostile `ssl.py` in a
checkout would run with the proxy's secrets. Other folders that PYTHONPATH names (transforms of one's own, or all that
the program needs) stay where they are, and so does the working directory where it is named in full.
`python -I -m iron_proxy` ignores all variables and is left as it is. Called first thing by `__main__.py` and `main.py`.
"""

import os
import sys


def secure_import_path() -> None:
    """Put `sys.path` in order. Imports nothing."""
    if sys.flags.isolated:
        return
    try:
        here = os.getcwd()
    except OSError:                              # it has been deleted
        here = ""
    named = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    sys.path[:] = secured(sys.path, named, here, script, os.path.dirname(os.__file__))


def secured(path: list[str], pythonpath: str, here: str, script: str, standard_library: str) -> list[str]:
    """
    A search path without the working directory and the script's folder, where they were put in front.

    What stands before the standard library is looked at. `pythonpath` is the variable, `here` the working directory.
    """
    if standard_library not in path:
        return path
    end = path.index(standard_library)
    entries = [(entry, os.path.normpath(os.path.join(here, entry))) for entry in pythonpath.split(os.pathsep)]
    named = {folder for entry, folder in entries if folder != here or os.path.isabs(entry)}
    front = [entry for entry in path[:end] if entry not in ("", here, script) or entry in named]
    return front + path[end:]
