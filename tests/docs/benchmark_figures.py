"""What `docs/explanation/why-python.md` takes over from `docs/reference/benchmarks.md` and from the newest profile."""

import re
from itertools import takewhile
from typing import NamedTuple

Row = dict[str, str]


class Figure(NamedTuple):
    """A line of the explanation: its words, and where the benchmark page has the numbers."""

    words: str
    heading: str
    column: str
    unit: str


FIGURES = (
    Figure("small GET, TLS in and out, CPU", "Small GET, TLS in and out, 32 connections", "CPU µs/request", "µs"),
    Figure("16 KiB, TLS in and out, CPU", "16 KiB answer, TLS in and out, 32 connections", "CPU µs/request", "µs"),
    Figure("small GET, plain HTTP, CPU", "Small GET, plain HTTP in and out, 32 connections", "CPU µs/request", "µs"),
    Figure("100 MB over TLS, secret in use, CPU", "100 MB download over TLS, secret in use", "CPU ms/100 MB", "ms"),
    Figure("time added to a request, median", "Small GET, TLS in and out, 1 connection", "added p50", "ms"),
    Figure("time added to a request, 99th percentile", "Small GET, TLS in and out, 1 connection", "added p99", "ms"),
    Figure("memory after load", "Start and memory", "after load MiB", "MiB"),
    Figure("start to first answer", "Start and memory", "first answer ms", "ms"),
)


def figure_of_ours(benchmarks: str, words: str) -> str:
    """The number of one line, for iron-proxy."""
    return _cell(benchmarks, next(figure for figure in FIGURES if figure.words == words), "iron-proxy")


def excerpt(benchmarks: str) -> str:
    """The table of figures, and the targets that were missed, as Markdown."""
    lines = ["| | iron-proxy | nginx |", "|---|---:|---:|"]
    for figure in FIGURES:
        ours, nginx = (_cell(benchmarks, figure, proxy) for proxy in ("iron-proxy", "nginx"))
        lines.append(f"| {figure.words} | {ours} {figure.unit} | {nginx} {figure.unit} |")
    missed = [row for row in _table(benchmarks, "Targets") if "MISSED" in row["verdict"]]
    lines += ["", "Targets that were missed:" if missed else "No target was missed.", ""]
    lines += [f"* {row['target']}: {row['measured']}, where it should be {row['bound']}." for row in missed]
    return "\n".join(lines).strip() + "\n"


def profile_excerpt(name: str, profile: str) -> str:
    """Where the time of a small GET goes, and the memory of what is imported, as Markdown."""
    requests, _, rest = profile.partition("\n## Small GET, TLS in and out, 32 connections\n")[2].partition("\n## ")
    memory = rest.partition("\n## Memory of what is imported\n")[2]
    calls = re.search(r"^Calls in a request: \d+, \d+ of Python functions and \d+ of compiled ones", requests, re.M)
    assert calls is not None, "a profile tells the calls of a small GET"
    parts = (
        f"A small GET, TLS in and out; the whole profile is `bench/profiles/{name}`:",
        _rows(requests, "| time in "),
        f"{calls[0]}.",
        "Memory, by what is imported:",
        _rows(memory, "| what "),
    )
    return "\n\n".join(parts) + "\n"


def _rows(text: str, heading: str) -> str:
    """The table that begins so."""
    lines = text[text.index(heading) :].splitlines()
    return "\n".join(takewhile(lambda line: line.startswith("|"), lines))


def _cell(text: str, figure: Figure, proxy: str) -> str:
    # Lists may show more of us and of nginx; the first row is the plain one.
    return next(row[figure.column] for row in _table(text, figure.heading) if row["proxy"].startswith(proxy))


def _table(text: str, heading: str) -> list[Row]:
    section = re.split(rf"^## {re.escape(heading)}$", text, flags=re.MULTILINE)[1].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]
