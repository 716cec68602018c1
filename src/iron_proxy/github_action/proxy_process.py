"""The process of the proxy: started by one step of a job, which it outlives, and ended by another one."""

import errno
import os
import select
import subprocess
import sys
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from iron_proxy.errors import StartupError
from iron_proxy.github_action.inputs import Inputs
from iron_proxy.github_action.job_folder import JobFolder

# A cold start takes a second or two; a runner that is just unpacking everything may need many more.
_START_SECONDS = 90.0
# It waits for requests under way; the job is over, so that not much is.
_END_SECONDS = 45.0
_LOOK_SECONDS = 0.1
# -P: what stands in the working directory, which is the job's, is no module of ours.
_OURSELVES = (sys.executable, "-P", "-m", "iron_proxy")


def start(inputs: Inputs, folder: JobFolder, environment: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """The process id, and the variables that later steps need. Raises StartupError with what the proxy said."""
    with open(folder.log, "xb") as log:
        process = subprocess.Popen(  # noqa: S603 - ourselves, without a shell
            _command(inputs, folder), env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    deadline = monotonic() + _START_SECONDS
    while (told := folder.read(folder.variables)) is None:
        try:
            process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if monotonic() < deadline:
                continue
            process.kill()
        raise StartupError(_last_words(folder))
    process.returncode = 0  # it goes on without us, which is no oversight
    return process.pid, told


def _command(inputs: Inputs, folder: JobFolder) -> list[str]:
    # -learn lets everything through that rules would deny, and notes on each record that they would.
    observing = [f"-learn={folder.path / 'learned.yaml'}"] if inputs.mode == "warn" else []
    files = [f"-audit={folder.audit}", "-summary=json", f"-summary-file={folder.summary}", *observing]
    holding = [*_OURSELVES, "action", "hold", str(folder.path.parent), *inputs.variables]
    return [*_OURSELVES, "run", "-weak", *files, *inputs.run_flags(), "--", *holding]


def _last_words(folder: JobFolder) -> str:
    said = folder.log.read_text(encoding="utf-8", errors="replace").splitlines()
    sentences = [line.removeprefix("iron-proxy: ").removeprefix("error: ") for line in said if not line.startswith("{")]
    return "\n".join(sentences[:20]) or f"the proxy did not start within {_START_SECONDS:.0f} seconds"


def end(folder: JobFolder, process_id: int) -> bool:
    """End the proxy and wait for it. False where it had ended before, or does not end."""
    process = _opened(process_id)
    if process is None:
        _tell(folder)  # the program that it held may have outlived it
        return False
    try:
        return _tell(folder) and _has_ended(process) and bool(folder.read(folder.summary))
    finally:
        os.close(process)


def _opened(process_id: int) -> int | None:
    try:
        process = os.pidfd_open(process_id)
    except OSError:
        return None
    if _has_ended(process, 0):  # a zombie, where nobody reaps
        os.close(process)
        return None
    return process


def _has_ended(process: int, seconds: float = _END_SECONDS) -> bool:
    return bool(select.select([process], [], [], seconds)[0])


def _tell(folder: JobFolder) -> bool:
    try:
        descriptor = os.open(folder.stop, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):  # nobody reads
            return False
        raise
    try:
        os.write(descriptor, b"\n")
    except BrokenPipeError:
        return False
    finally:
        os.close(descriptor)
    return True


def described(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """What these variables hold now, for the time after."""
    return {name: environment[name] for name in names if name in environment}
