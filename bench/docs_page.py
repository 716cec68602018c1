"""A run as the page `docs/reference/benchmarks.md`. Pure; `__main__.py` writes it when asked to."""

from collections.abc import Sequence

from bench.results import Result, Settings
from bench.tables import Table, tables

# From here on other programs took enough of the machine to be seen in the figures.
BUSY = 0.1


def docs_page(result: Result) -> str:
    """The whole page as Markdown, one sentence a line."""
    sections = [_HEAD, _circumstances(result), *(markdown_table(table) for table in tables(result)), _TAIL]
    return "\n\n".join(section.strip() for section in sections) + "\n"


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


def _escaped(cells: Sequence[str]) -> list[str]:
    # A reason may quote anything a program said.
    return [" ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;") for cell in cells]


def _circumstances(result: Result) -> str:
    machine = result.machine
    versions = [f"{arm.title}: {arm.version}" for arm in result.arms if arm.version]
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

iron-proxy runs as one process.
It checks an allowlist, swaps a secret in `Authorization`, scrubs it from responses, and writes a record per request.

nginx runs with one worker and a pool of connections, verifies the origin's certificate, and writes a JSON access log.
It sets a fixed credential and decides nothing.
It is the limit that a compiled reverse proxy sets, not a product with the same duties.

"Body untouched" is a download without the credential.
"Secret in use" is one with it: iron-proxy then reads the body, to keep the secret from coming back; nginx does not.

Memory is resident memory summed over a proxy's processes.
"First answer" is the time from exec to the first answer over TLS, with leaf certificate and connection to the origin.

Run it again with `make bench`; `bench/README.md` has the options.
"""
