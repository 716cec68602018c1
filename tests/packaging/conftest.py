"""What is built is built once for all tests here."""

from pathlib import Path

import pytest
from tests.packaging.built import build


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sdist and wheel."""
    return build(tmp_path_factory.mktemp("one"), umask=0o022, modified=1_500_000_000)
