"""Wire protocols without I/O: bytes in, events and values out. "Not enough bytes yet" is an ordinary answer."""
