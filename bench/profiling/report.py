"""Profiles as Markdown, one section for each workload."""

from dataclasses import dataclass, field

from bench.profiling.calls import Calls
from bench.results import Machine

_MOST = 40


@dataclass(frozen=True, slots=True)
class Profile:
    """What was found out of one workload. CPU is in microseconds per request, of the same run; None: not measured."""

    title: str
    cpu: float | None
    nginx_cpu: float | None
    calls: Calls | None
    samples: dict[str, float] = field(default_factory=dict)


def report(
    date: str,
    commit: str,
    machine: Machine,
    profiles: list[Profile],
    imports: list[tuple[str, float]],
    instructions: list[tuple[str, float]],
) -> str:
    """The whole text. Without `instructions`, they were not counted."""
    lines = [
        f"# Profile of {commit}, {date}",
        "",
        f"{machine.cpu}, {machine.cores} cores, {machine.system}. Written by `make profile`.",
        "Calls are exact. Times and shares are those of one run; compare their ratios.",
    ]
    for profile in profiles:
        lines += ["", f"## {profile.title}", "", *_cpu(profile), *_samples(profile), *_calls(profile.calls)]
    return "\n".join([*lines, "", *instruction_lines(instructions), *_imports(imports)]) + "\n"


def instruction_lines(counts: list[tuple[str, float]]) -> list[str]:
    """The section of (part, instructions), or the sentence that says why there is none."""
    if not counts:
        return ["Instructions were not counted: valgrind is not installed, or it failed."]
    told = "Counted by callgrind: the same in every run with this Python, whatever else the machine does."
    rows = [f"| {name} | {number:,.0f} |" for name, number in counts]
    return ["## Instructions of what does no I/O", "", told, "", "| part | instructions |", "|---|---:|", *rows]


def _imports(imports: list[tuple[str, float]]) -> list[str]:
    rows = [f"| {name} | {mib:.1f} |" for name, mib in imports]
    total = f"| together | {sum(mib for _, mib in imports):.1f} |"
    return ["", "## Memory of what is imported", "", "| what | MiB that it adds |", "|---|---:|", *rows, total]


def _cpu(profile: Profile) -> list[str]:
    if profile.cpu is None:
        return ["CPU was not measured."]
    if profile.nginx_cpu is None:
        return [f"CPU: {profile.cpu:.1f} µs a request."]
    ratio = profile.cpu / profile.nginx_cpu
    return [f"CPU: {profile.cpu:.1f} µs a request, nginx {profile.nginx_cpu:.1f} µs: {ratio:.2f} ×."]


def _samples(profile: Profile) -> list[str]:
    if not profile.samples:
        return ["", "No samples were taken."]
    rows = []
    for kind, share in profile.samples.items():
        part = "—" if profile.cpu is None else f"{profile.cpu * share / 100:.1f}"
        rows.append(f"| {kind} | {share:.1f} % | {part} |")
    return ["", "| time in | share | µs a request |", "|---|---:|---:|", *rows]


def _calls(calls: Calls | None) -> list[str]:
    if calls is None:
        return ["", "No calls were counted."]
    total = calls.of_python + calls.of_c
    lines = [
        "",
        f"Calls in a request: {total:.0f}, {calls.of_python:.0f} of Python functions and {calls.of_c:.0f} of compiled "
        f"ones, over {calls.requests:,} requests.",
        "",
        "| package | of its functions | of compiled ones from there |",
        "|---|---:|---:|",
    ]
    lines += [f"| {name} | {python:.1f} | {compiled:.1f} |" for name, python, compiled in calls.by_package()]
    lines += ["", "| file | function | calls |", "|---|---|---:|"]
    return lines + [f"| {file} | `{function}` | {number:.2f} |" for file, function, number in calls.most_called(_MOST)]
