"""Content codings (RFC 9110 section 8.4): gzip, deflate, br and zstd, decoded and encoded as the pieces of a body."""
