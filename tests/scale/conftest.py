"""What a run at scale needs beside the proxy: descriptors, and a place for its figures."""

import resource
from collections.abc import Iterator

import pytest
from tests.scale.figures import FULL, MEASURED, save


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Clients and origins live in this process: as many open files as it may have."""
    former = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, former[1]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of a full run: those of a tenth are too noisy to tell."""
    if not (FULL and MEASURED):
        return
    terminalreporter.section("figures")
    for test, figures in MEASURED.items():
        terminalreporter.write_line(f"{test}: {', '.join(f'{name} {value:,}' for name, value in figures.items())}")
    save()
