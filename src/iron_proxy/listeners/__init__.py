"""Sockets that accept; each turns a connection into a call of `proxy/`."""
