"""A run as tests need it: three arms, and whatever samples and failures a case is about."""

from collections.abc import Sequence

from bench.results import ArmDescription, Failure, Figures, Machine, Result, Sample, Settings

ARMS = [
    ArmDescription("direct", "direct, no proxy", ""),
    ArmDescription("nginx", "nginx, reverse proxy", "nginx/1.2.3"),
    ArmDescription("iron-proxy", "iron-proxy", "iron-proxy 0.1"),
]


def rounds(workload: str, arm: str, *figures: Figures) -> list[Sample]:
    return [Sample(workload, arm, number, each) for number, each in enumerate(figures)]


def a_run(
    *samples: Sample,
    failures: Sequence[Failure] = (),
    cores: tuple[int | None, int | None, int | None] = (0, 1, 2),
    busy_before: float = 0.0,
) -> Result:
    return Result(
        date="2030-01-31T12:05Z",
        commit="0123456789ab",
        settings=Settings(3, 4.0, *cores),
        machine=Machine("A processor", 4, "Linux 6.1, Python 3.11.2", busy_before),
        tools={"wrk": "wrk 4.1"},
        arms=ARMS,
        samples=list(samples),
        failures=list(failures),
    )
