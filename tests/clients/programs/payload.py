"""What the Python clients send and how they report; beside them, so that each of them is a plain script."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping

HEADERS = {"Authorization": f"Bearer {os.environ.get('PROXY_TOKEN', '')}"}
SEEN = "https://web.test/seen"
UPLOAD = "https://web.test/upload"
FILE = "https://files.test/random"
CONTENT = bytes(range(256)) * 20_000


def in_pieces() -> Iterable[bytes]:
    """The content without a length: clients send it chunked."""
    for start in range(0, len(CONTENT), 100_000):
        yield CONTENT[start : start + 100_000]


def digest_of(pieces: Iterable[bytes]) -> str:
    """SHA-256 of what was downloaded."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def report(seen: Mapping[str, str], sized: Mapping[str, str], chunked: Mapping[str, str], file: str) -> None:
    """Tell the test."""
    print(json.dumps({"seen": seen, "sized": sized, "chunked": chunked, "file": file}))
