import sys
import time
from pathlib import Path

import pytest
from bench.key_watch import KeyWatch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
PATIENCE = 20.0


def test_the_first_reading_is_seen(tmp_path: Path) -> None:
    key = tmp_path / "ca.key"
    key.write_text("PEM")
    before = time.perf_counter()

    with KeyWatch(key) as watch:
        assert watch.read_at is None
        key.read_text()
        while watch.read_at is None and time.perf_counter() - before < PATIENCE:
            time.sleep(0.001)

    assert watch.read_at is not None
    assert before < watch.read_at < time.perf_counter()


def test_a_key_that_nobody_reads_has_no_time(tmp_path: Path) -> None:
    key = tmp_path / "ca.key"
    key.write_text("PEM")

    with KeyWatch(key) as watch:
        pass

    assert watch.read_at is None


def test_a_key_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"), KeyWatch(tmp_path / "absent"):
        pass
