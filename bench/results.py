"""
What a run found out: samples, failures, and the circumstances. Written as JSON by `results_file.py`.

A figure's name carries its unit, e.g. `cpu_us_per_request`. Nothing is rounded or averaged here: medians are taken by
`figures.py` whenever they are shown, so that a kept file still holds every single round.
"""

from dataclasses import dataclass

# The group of arms that are different programs; in the others they are one program in different shapes.
PROXIES = "proxies"

# A figure's name to its value, as one measurement gave them.
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how often was measured, and on which cores."""

    rounds: int
    seconds: float
    proxy_core: int | None
    origin_core: int | None
    load_core: int | None
    # For the second process of an arm that has two; None where there are too few cores to give it one.
    second_proxy_core: int | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether the proxies had a core of their own."""
        return self.proxy_core is not None


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the figures come from. They compare with nothing from elsewhere."""

    cpu: str
    cores: int
    system: str
    # Share of all cores that other programs used in the second before the run: 0 is a quiet machine.
    busy_before: float


@dataclass(frozen=True, slots=True)
class ArmDescription:
    """One row of every table of its group."""

    name: str
    title: str
    version: str
    does: str = ""
    group: str = PROXIES


@dataclass(frozen=True, slots=True)
class Sample:
    """What one arm showed in one round of one workload."""

    workload: str
    arm: str
    round: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Why a cell is empty. `workload` is None when the program is not there: then all its cells are.

    It is no fault when a program is not installed, or has no way to do what is asked.
    """

    workload: str | None
    arm: str
    reason: str
    is_fault: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run. `commit` is the source's, with `-changed` behind it when files differed from it."""

    date: str
    commit: str
    settings: Settings
    machine: Machine
    tools: dict[str, str]
    arms: list[ArmDescription]
    samples: list[Sample]
    failures: list[Failure]
