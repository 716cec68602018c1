"""HTTP/2 (RFC 9113) without I/O: bytes in, events out; typed parts in, bytes out. Both roles, one core."""
