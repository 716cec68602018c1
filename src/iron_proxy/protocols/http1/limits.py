"""How much of a message we hold before it must make sense. Each bounds what one peer can make us keep in memory."""

# Browsers send some 1 KiB, the largest honest heads (Kerberos tickets, many cookies) about 48 KiB; nginx stops at 32.
MAX_REQUEST_HEAD_BYTES = 64 * 1024

# Servers are a little more talkative: 300 Set-Cookie fields are seen in practice.
MAX_RESPONSE_HEAD_BYTES = 256 * 1024

# A connection's last head is remembered, because it mostly comes again: as it was read, taken apart, and as it was sent
# on, so that each byte is kept some five times. Ten thousand idle clients must not make us hold more than they cost us.
MAX_REMEMBERED_HEAD_BYTES = 4 * 1024

# Every later scan of the fields is linear in their number; honest heads have at most a few hundred.
MAX_FIELDS = 1000

# A chunk-size line is up to 16 hexadecimal digits; extensions are legal, ignored by us, and otherwise unbounded.
MAX_CHUNK_LINE_BYTES = 1024

# Trailers hold a checksum or a gRPC status.
MAX_TRAILER_BYTES = 16 * 1024

# RFC 9110 section 15.2: any number of 1xx may come before the answer. More than this is a way to keep us reading.
MAX_INFORMATIONAL = 16
