import pytest

from iron_proxy.config.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("65536", 65_536), ("1KB", 1000), ("1KiB", 1024), ("100MiB", 104_857_600), ("2TB", 2 * 10**12)],
)
def test_a_number_with_or_without_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1k", "1 MiB", "-1", "1.5GB", "MiB", "٣", "1" * 16, "1MIB"])
def test_what_is_no_size(text: str) -> None:
    assert parse_size(text) is None
