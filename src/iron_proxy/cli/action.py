"""
`iron-proxy action start|stop`: what `action.yml` and `summary/action.yml` run, with the runner's files and variables.

`hold` is what `start` runs below the proxy. The work is `github_action/`'s; here are files of the runner, the printing
and the exit status: 0 done, 1 not done or fail-on-denied, 2 wrong inputs. Called by `main.py`.
"""

import os
from typing import TYPE_CHECKING, Final

from iron_proxy.cli.complaints import complain
from iron_proxy.cli.export_syntax import exports
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.errors import StartupError, system_reason

if TYPE_CHECKING:  # heavy: not for a usage error
    from iron_proxy.github_action.job_folder import JobFolder
    from iron_proxy.github_action.report import Report

_TITLE: Final = "iron-proxy"
_MAX_ANNOTATIONS: Final = 10  # GitHub shows no more of one step


def run(arguments: list[str]) -> int:
    """Start or stop the proxy of a job; returns the exit status."""
    try:
        match arguments:
            case ["start"]:
                return _start()
            case ["stop"]:
                return _stop()
            case ["hold", runner_temp, *variables]:
                return _hold(runner_temp, variables)
            case _:
                return complain("for action.yml: iron-proxy action start, iron-proxy action stop", status=USAGE)
    except ValueError as error:
        return _refuse(str(error), USAGE)
    except StartupError as error:
        return _refuse(str(error), FAILURE)


def _start() -> int:
    from iron_proxy.github_action.inputs import read_inputs
    from iron_proxy.github_action.proxy_process import described, start

    inputs = read_inputs(os.environ)
    folder = _job_folder()
    folder.create()
    process_id, told = start(inputs, folder, os.environ)
    before = described(os.environ, set(told) - set(inputs.variables))
    folder.write(folder.state, {"mode": inputs.mode, "pid": process_id, "before": before})
    _append("GITHUB_ENV", exports("github", told))
    _append("GITHUB_OUTPUT", exports("github", {"audit-log": str(folder.audit)}))
    print(f"iron-proxy: later steps go through the proxy, mode {inputs.mode}")
    return OK


def _hold(runner_temp: str, variables: list[str]) -> int:
    from iron_proxy.github_action.holding import hold
    from iron_proxy.github_action.job_folder import JobFolder

    try:
        hold(JobFolder(runner_temp), variables, os.environ)
    except StartupError as error:
        return complain(error, status=FAILURE)
    return OK


def _stop() -> int:
    from iron_proxy.github_action.holding import distrust
    from iron_proxy.github_action.inputs import read_fail_on_denied
    from iron_proxy.github_action.job_summary import job_summary
    from iron_proxy.github_action.proxy_process import end

    must_fail = read_fail_on_denied(os.environ)
    folder = _job_folder()
    state, told = folder.read(folder.state), folder.read(folder.variables)
    if state is None or told is None:
        raise StartupError("the proxy was not started in this job: use the action in an earlier step")
    is_complete = end(folder, state["pid"])
    _append("GITHUB_ENV", exports("github", distrust(folder, told, state["before"])))
    report = _report(folder)
    _append("GITHUB_STEP_SUMMARY", job_summary(report, state["mode"], is_complete))
    hosts = " ".join(report.allowed_hosts)
    _append("GITHUB_OUTPUT", exports("github", {
        "denied-count": str(report.against_rules), "allowed-hosts": hosts, "audit-log": str(folder.audit),
    }))  # fmt: skip
    _annotate(report, is_complete, "error" if must_fail else "warning")
    return FAILURE if must_fail and (report.against_rules or not is_complete) else OK


def _report(folder: "JobFolder") -> "Report":
    from iron_proxy.audit_reading.sources import ReadingTally
    from iron_proxy.cli.audit_files import read_files, tell_unread
    from iron_proxy.github_action.report import report_of

    tally = ReadingTally()
    try:
        report = report_of(entry for entry, _ in read_files([str(folder.audit)], tally))
    except OSError as error:
        raise StartupError(f"reading {folder.audit}: {system_reason(error)}") from error
    tell_unread(tally)
    return report


def _annotate(report: "Report", is_complete: bool, level: str) -> None:
    from iron_proxy.github_action.workflow_text import annotation

    told = [] if is_complete else ["the proxy ended before the job did: not every request is in the summary"]
    told += [f"denied: {each.host} ({each.requests}): {each.reason}" for each in report.denials.most_first()]
    told += [f"would be denied: {host} ({count})" for host, count in report.warned.most_common()]
    for sentence in told[:_MAX_ANNOTATIONS]:
        print(annotation(level, _TITLE, sentence))


def _job_folder() -> "JobFolder":
    from iron_proxy.github_action.job_folder import JobFolder

    return JobFolder(_runner_variable("RUNNER_TEMP"))


def _append(variable: str, text: str) -> None:
    with open(_runner_variable(variable), "ab") as file:
        file.write(os.fsencode(text))


def _runner_variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise StartupError(f"{name} is not set: this command is for a step of GitHub Actions")
    return value


def _refuse(sentences: str, status: int) -> int:
    from iron_proxy.github_action.workflow_text import annotation

    for sentence in sentences.splitlines():
        print(annotation("error", _TITLE, sentence))
    return status
