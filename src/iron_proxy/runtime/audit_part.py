"""
Config → the audit emitter with its outputs; and standard error, which the records share with the process log.

`assemble.py` calls `build_audit`. Lines for standard error go through one object, whoever they are from: so none of
them tears another, and none makes the loop wait for whoever reads them.
"""

import errno
from functools import cache

from iron_proxy.audit.chain import Chain, chain_behind
from iron_proxy.audit.descriptor import DescriptorDestination
from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.outlet import Outlet
from iron_proxy.audit.rotating_file import RotatingFile
from iron_proxy.audit.signing import read_signer
from iron_proxy.audit.trail import Branch, Trail
from iron_proxy.config.schema import AuditConfig, LogConfig
from iron_proxy.errors import StartupError
from iron_proxy.runtime.last_wall import LAST_WALL


@cache
def standard_error() -> Outlet:
    """The one way to standard error of this process."""
    return Outlet(DescriptorDestination(2, "stderr"))


def build_audit(log: LogConfig, audit: AuditConfig) -> AuditEmitter:
    """The emitter; its file is open. `start` it in the loop. Raises StartupError."""
    signer = None if audit.sign_key is None else read_signer(audit.sign_key)
    stderr = standard_error()
    branches = []
    torn_bytes = 0
    if audit.output != "file":
        branches.append(Branch(stderr, Chain() if audit.chain else None))
    if audit.output != "stderr":
        file = _open_file(audit)
        torn_bytes = file.torn_bytes
        branches.append(Branch(Outlet(file), _chain_of(file, audit.chain), owns=True))
    trail = Trail(
        branches,
        is_strict=audit.mode == "strict",
        signer=signer,
        sign_interval=audit.sign_interval,
        torn_bytes=torn_bytes,
        beside=(stderr,),
    )
    return AuditEmitter(ENVELOPES[log.audit_schema], LAST_WALL.before(trail.write), trail=trail)


def _open_file(audit: AuditConfig) -> RotatingFile:
    file = RotatingFile(audit.file or "", max_size=audit.max_size, keep=audit.keep, syncs=audit.sync)
    try:
        file.open()
    except OSError as error:
        raise StartupError(f"audit.file: {audit.file}: {_reason(error)}") from error
    return file


def _reason(error: OSError) -> str:
    if error.errno in (errno.EAGAIN, errno.EACCES) and isinstance(error, BlockingIOError):
        return "another process writes this file"
    if error.errno == errno.ELOOP:
        return "is a link; name the file itself"
    return (error.strerror or "cannot be opened").lower()


def _chain_of(file: RotatingFile, is_chained: bool) -> Chain | None:
    """Where the chain goes on. Lines of the other kind are put aside first: a file is in one chain, or in none."""
    chain = chain_behind(file.last_line)
    if is_chained != (chain is not None):
        _put_aside(file)
    return (chain or Chain()) if is_chained else None


def _put_aside(file: RotatingFile) -> None:
    if file.size:
        try:
            file.rotate()
        except OSError as error:
            raise StartupError(f"audit.file: {file.name}: cannot be put aside: {_reason(error)}") from error
