"""A run as the page `docs/reference/benchmarks.md`. Pure; `__main__.py` writes it when asked to."""

from collections.abc import Iterator, Sequence

from bench.docs_charts import Chart, charts
from bench.results import PROXIES, Result, Settings
from bench.tables import Table, tables

# From here on other programs took enough of the machine to be seen in the figures.
BUSY = 0.1
# The folder of the charts, beside the page.
CHARTS_FOLDER = "benchmarks"


def docs_page(result: Result) -> str:
    """The whole page as Markdown, one sentence a line."""
    *measured, targets = tables(result)
    sections = [
        _HEAD, _circumstances(result), markdown_table(targets), *_with_charts(measured, charts(result)),
        _configurations(result), _TAIL,
    ]  # fmt: skip
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def notes(result: Result) -> list[str]:
    """What a reader must know before believing the figures; shown in the terminal too."""
    found = []
    if result.machine.busy_before >= BUSY:
        found.append(
            f"Other programs used {result.machine.busy_before:.0%} of the machine before the run: "
            "take the figures as rough."
        )
    if not result.settings.is_pinned:
        found.append("There was one core for everything: the proxies shared it with the load generator.")
    elif result.settings.origin_core == result.settings.load_core:
        found.append(
            "Load generator and origin shared a core: requests per second and download rates can be theirs, "
            "CPU per request is the proxy's."
        )
    return found


def markdown_table(table: Table) -> str:
    """A heading and a table, numbers to the right."""
    rule = ["---", *["---:"] * (len(table.headings) - 1)]
    lines = [table.headings, rule, *table.rows]
    return f"## {table.title}\n\n" + "\n".join(f"| {' | '.join(_escaped(line))} |" for line in lines)


def _with_charts(shown: Sequence[Table], drawn: Sequence[Chart]) -> Iterator[str]:
    by_title = {chart.title: chart for chart in drawn}
    for table in shown:
        yield markdown_table(table)
        if chart := by_title.pop(table.title, None):
            yield _image(chart)
    for chart in by_title.values():
        yield f"## {chart.title}\n\n{_image(chart)}"


def _image(chart: Chart) -> str:
    return f"![{chart.title}; the figures are in the tables]({CHARTS_FOLDER}/{chart.file})"


def _configurations(result: Result) -> str:
    rows = [(arm.title, arm.does) for arm in result.arms if arm.group == PROXIES and arm.does]
    if not rows:
        return ""
    lines = [f"* **{title}**: {does}" for title, does in map(_escaped, rows)]
    return "## What each was configured to do\n\n" + "\n".join(lines)


def _escaped(cells: Sequence[str]) -> list[str]:
    # A reason may quote anything a program said.
    return [" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells]


def _circumstances(result: Result) -> str:
    machine = result.machine
    versions = [f"{arm.title}: {arm.version}" for arm in result.arms if arm.version and arm.group == PROXIES]
    versions += [f"{tool}: {version}" for tool, version in result.tools.items()]
    lines = [
        f"* {result.date}, commit `{result.commit}`",
        f"* {machine.cpu}, {machine.cores} cores, {machine.system}",
        f"* {_course(result.settings)}",
        *(f"* {version}" for version in versions),
        *(f"* **{note}**" for note in notes(result)),
    ]
    return "## This run\n\n" + "\n".join(lines)


def _course(settings: Settings) -> str:
    return f"{settings.rounds} interleaved rounds of {settings.seconds:g} s after a warm-up; medians"


_HEAD = """
# Benchmarks

This page is written by `python -m bench --write-docs`; do not edit it by hand.

Every figure on it comes from one run on one machine, all proxies side by side, all traffic on 127.0.0.1.
Compare the ratios, not the absolute figures, with what you see elsewhere.
"""

_TAIL = """
## How it is measured

The load generator sends the proxy token; the origin, an nginx, answers 401 to a request without the real credential.
So every counted answer proves that the credential was swapped: a wrong answer makes a failure, not a figure.

**CPU µs/request** is user and system time of the proxy and its children, divided by the answered requests.
It is steadier than requests per second, which on a small machine measure the load generator and the origin as well.
**spread** is the distance of the best round from the worst, as a share of the median: smaller differences mean nothing.

"Body untouched" is a download without the credential.
"Secret in use" is one with it: iron-proxy then reads the body, to keep the secret from coming back; others do not.
Memory growth is the highest resident memory during the download, less that before it.

A unary call is a POST of 62 bytes over HTTP/2, answered with 62 bytes and a trailer: what a gRPC call looks like.

The curves ask iron-proxy for one host while the configuration holds ever more rules that do not fit.
Each request has another query, so that nothing is remembered from the one before.

Two workers have a core each where there are four; with fewer, they share all with origin and load generator.

DNS answers that are not audited are those of `dns.mode: intercept`; `dns.mode: strict` refuses a name.
Refusals are recorded up to a number a second, and counted beyond it: the rate includes that, not a record each.

An idle connection has had its handshake and one answer, then nothing.
A new name is a handshake for a host whose certificate has to be signed first.
Its round has a limit in time: the CPU time for 50,000 names is the measured one per name, times 50,000.

Memory is resident memory summed over a proxy's processes.
"CA key read" is the time from exec until the key file has been read, as the kernel tells it.
"First answer" is the time from exec to the first answer over TLS, with leaf certificate and connection to the origin.

Run it again with `make bench`; `bench/README.md` has the options.
"""
