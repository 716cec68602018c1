"""
Bytes in pieces to whole lines, in bounded memory: a line without an end is counted and thrown away, not collected.

Called by `sources.py` and `follow.py`. Pure.
"""

# A record with a captured body of 1 MiB is some 6 MiB where all of it had to be escaped.
MAX_LINE_BYTES = 16 * 1024 * 1024


class LineSplitter:
    """Feed it what was read, in order; `too_long` counts the lines that were thrown away."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.too_long = 0
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []  # of the line that is not yet whole
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, without their newlines."""
        first, *others = data.split(b"\n")
        self._add(first)
        if not others:
            return []
        lines = self.end()
        last = others.pop()
        for line in others:
            if len(line) <= self._max_bytes:
                lines.append(line)
            else:
                self.too_long += 1
        self._add(last)
        return lines

    def end(self) -> list[bytes]:
        """The line that was begun, which nothing follows any more."""
        parts, size = self._parts, self._size
        self._parts, self._size = [], 0
        if size > self._max_bytes:
            self.too_long += 1
            return []
        return [b"".join(parts)]

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._max_bytes:
            self._parts.clear()
        elif part:
            self._parts.append(part)
