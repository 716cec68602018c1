"""HTTP/1.1 (RFC 9112) without I/O: bytes in, events out; typed parts in, bytes out. Both roles, one core."""
