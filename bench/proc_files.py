"""
What Linux tells about a process tree: CPU time from `/proc/PID/stat`, memory from `/proc/PID/status`.

The parsers take text and are pure; `cpu_seconds`, `resident_mib` and `peak_mib` read the files. A tree is the process
and everything below it, as nginx has a master and a worker.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class ProcessStat(NamedTuple):
    """The part of `/proc/PID/stat` that is used here, times in clock ticks."""

    parent: int
    own_ticks: int
    reaped_ticks: int


def parse_stat(text: str) -> ProcessStat:
    """Read one line; the command in its parentheses may hold spaces and parentheses itself (proc(5))."""
    fields = text.rpartition(")")[2].split()
    # Field 3 of the manual, the state, is first here: the parent is field 4, the four times are fields 14 to 17.
    user, system, reaped_user, reaped_system = (int(field) for field in fields[11:15])
    return ProcessStat(int(fields[1]), user + system, reaped_user + reaped_system)


def parse_status_kib(text: str, name: str) -> int:
    """Read a line like `VmRSS:     1234 kB`; 0 when it is not there, as for a process that has ended."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    return 0


def tree_of(root: int, parents: Mapping[int, int]) -> set[int]:
    """The root and all its descendants, by a table of each process's parent."""
    tree = {root}
    while True:
        found = {pid for pid, parent in parents.items() if parent in tree} - tree
        if not found:
            return tree
        tree |= found


def parse_busy_ticks(text: str) -> tuple[int, int]:
    """Read the first line of `/proc/stat`: ticks in which the cores worked, and all ticks."""
    user, nice, system, idle, waiting, *others = (int(field) for field in text.splitlines()[0].split()[1:9])
    busy = user + nice + system + sum(others)
    return busy, busy + idle + waiting


def cpu_seconds(root: int) -> float:
    """User and system time of the tree so far, ended children included. Resolution is one tick, usually 10 ms."""
    stats = dict(_stats())
    tree = tree_of(root, {pid: stat.parent for pid, stat in stats.items()})
    ticks = sum(stats[pid].own_ticks + stats[pid].reaped_ticks for pid in tree if pid in stats)
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(root: int) -> float:
    """Resident memory of the tree, pages that its processes share counted in each."""
    return _status_kib(root, "VmRSS") / 1024


def peak_mib(root: int) -> float:
    """The sum of the highest resident memory that each process of the tree ever had."""
    return _status_kib(root, "VmHWM") / 1024


def forget_peak(root: int) -> None:
    """Set the highest resident memory of each process of the tree back to the present one (proc(5), clear_refs)."""
    for pid in _tree(root):
        try:
            (PROC / str(pid) / "clear_refs").write_text("5")
        except OSError:  # it ended, or belongs to somebody else: the peak then is the one of its whole life
            pass


def _status_kib(root: int, name: str) -> int:
    return sum(parse_status_kib(_read(PROC / str(pid) / "status"), name) for pid in _tree(root))


def _tree(root: int) -> set[int]:
    return tree_of(root, {pid: stat.parent for pid, stat in _stats()})


def _stats() -> Iterator[tuple[int, ProcessStat]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (text := _read(entry / "stat")):
            yield int(entry.name), parse_stat(text)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended between the listing and the reading
        return ""
