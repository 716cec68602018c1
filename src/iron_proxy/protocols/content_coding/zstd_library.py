"""
Zstandard for every Python: the standard library has it from 3.14 on, before that its backport of the same interface.

Imported when the first zstd body comes, as brotli is for the first br body: a proxy that never meets one starts sooner.
"""

import sys
from types import ModuleType


def zstd_library() -> ModuleType:
    """The module: `ZstdCompressor`, `ZstdDecompressor`, `DecompressionParameter` and `ZstdError`."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
