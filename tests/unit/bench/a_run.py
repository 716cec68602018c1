"""A run as tests need it: three arms, and whatever samples and failures a case is about; and a setting for arms."""

from collections.abc import Sequence
from pathlib import Path

from bench.certificates import CertificateFiles
from bench.results import ArmDescription, Failure, Figures, Machine, Result, Sample, Settings
from bench.setting import Ports, Setting

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
    arms: Sequence[ArmDescription] = ARMS,
    second_core: int | None = None,
) -> Result:
    return Result(
        date="2030-01-31T12:05Z",
        commit="0123456789ab",
        settings=Settings(3, 4.0, *cores, second_core),
        machine=Machine("A processor", 4, "Linux 6.1, Python 3.11.2", busy_before),
        tools={"wrk": "wrk 4.1"},
        arms=list(arms),
        samples=list(samples),
        failures=list(failures),
    )


def a_setting(folder: Path) -> Setting:
    files = CertificateFiles(folder / "ca.crt", folder / "ca.key", folder / "leaf.crt", folder / "leaf.key")
    for path in (files.ca, files.leaf, files.leaf_key):
        path.write_text("PEM")
    return Setting(folder, files, Ports(8080, 8443, 8444))
