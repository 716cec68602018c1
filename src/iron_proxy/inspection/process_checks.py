"""Checks of what the process is to become, against the users of this machine. Called by `examination.py`."""

from iron_proxy.config.process_identity import find_identity
from iron_proxy.config.schema import Config
from iron_proxy.errors import StartupError
from iron_proxy.inspection.findings import Findings


def check_process(config: Config, findings: Findings) -> None:
    """IP501."""
    if config.process.user is None:
        return
    try:
        find_identity(config.process)
    except StartupError as error:
        key, _, message = str(error).partition(": ")
        findings.add("IP501", None, key, message)
