import subprocess
import sys

import pytest

from iron_proxy.protocols.content_coding.zstd_library import zstd_library


def test_the_library_has_what_is_used_of_it() -> None:
    library = zstd_library()

    assert library.ZstdDecompressor().decompress(library.compress(b"hello"), 100) == b"hello"
    assert issubclass(library.ZstdError, Exception)


@pytest.mark.parametrize("module", ["brotli", "backports.zstd", "compression.zstd"])
def test_no_library_is_imported_before_it_is_needed(module: str) -> None:
    program = (
        "import sys, iron_proxy.protocols.content_coding.decoder, iron_proxy.protocols.content_coding.encoder\n"
        f"sys.exit({module!r} in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
