"""
What one HTTP/2 peer can make us keep, and what it can make us do for nothing. Each number carries its reason.

Sizes of heads are those of HTTP/1.1 (`http1/limits.py`): which version a request came in must not decide its fate.
The budgets are spent by `flood_guard.py`: so many at once, and so many more each second.
"""

from iron_proxy.protocols.http1.limits import MAX_REQUEST_HEAD_BYTES, MAX_RESPONSE_HEAD_BYTES

# --- memory ---------------------------------------------------------------------------------------------------------

# Browsers and load generators open up to 100 at once, and RFC 9113 section 6.5.2 recommends no fewer.
MAX_CONCURRENT_STREAMS = 100

# RFC 9113's smallest, and one TLS record: a bigger frame only makes the others on the connection wait.
MAX_FRAME_BYTES = 16_384

# What one sender may have under way: 25 MB/s at 10 ms of distance. It is also the largest piece a body reads at once.
STREAM_WINDOW = 256 * 1024

# All uploads of one client together. It bounds what a client can make us hold for upstreams that do not read; its own
# slow uploads then delay its own fast ones, and nobody else's.
CLIENT_CONNECTION_WINDOW = 1024 * 1024

# A connection to an upstream is shared by clients: every stream must be able to fill its window without the others'
# help, or a few clients that do not read would stop everybody's downloads.
UPSTREAM_CONNECTION_WINDOW = MAX_CONCURRENT_STREAMS * STREAM_WINDOW

# RFC 9113 section 6.5.2: what both sides start with. More would be memory for each connection, for little gain.
HEADER_TABLE_BYTES = 4096

# Field blocks that are known again when they are repeated: of heads and of trailers, with one of each to spare where a
# connection's calls take turns. Calls have heads of some hundred bytes; a hostile block of a few bytes can name as much
# as may be decoded at all, and is not kept.
MAX_KNOWN_BLOCKS = 4
MAX_KNOWN_BLOCK_BYTES = 4096

# RFC 9113 section 6.9.1.
MAX_WINDOW = 2**31 - 1

# A decoder that stops in the middle of a block can never be used again, so a head up to twice the limit is decoded and
# refused by itself; only a larger one (a few bytes can name 4 KiB each) costs the connection.
MAX_DECODED_REQUEST_BYTES = 2 * MAX_REQUEST_HEAD_BYTES
MAX_DECODED_RESPONSE_BYTES = 2 * MAX_RESPONSE_HEAD_BYTES

# All 1xx of one request together. Flow control does not count heads, and a few bytes can name 4 KiB each: sixteen heads
# of full size on each stream were 400 MB for 140 KB. Hints (103) have a few KiB.
MAX_INFORMATIONAL_BYTES = 64 * 1024

# Frames of a head beyond its first. Full ones of 16 KiB hold a whole response head; honest senders fill them.
MAX_CONTINUATIONS = 16

# Streams that we reset and whose peer may not know it yet: what comes in on them is dropped without blame.
MAX_REMEMBERED_RESETS = 1000

# --- work -----------------------------------------------------------------------------------------------------------
# (at once, each second after that)

# Requests that the peer takes back (CVE-2023-44487). A person who closes a page cancels a hundred at once.
RESETS = (200, 20.0)

# Resets that the peer's own violations make us send (CVE-2025-8671), and heads that we refuse. A client that has not
# heard our limit yet may open a hundred streams too many.
PROVOKED_RESETS = (200, 20.0)

# Keep-alive and bandwidth probes come with each burst of data, at most once per round trip.
PINGS = (1000, 500.0)

# One at the start, and a few more from those who tune windows (CVE-2019-9515); GOAWAY comes once or twice.
SETTINGS = (100, 5.0)

# Two for each DATA frame of ours is what simple clients send; each frame of ours gives back as many (CVE-2019-9517).
WINDOW_UPDATES = (4000, 500.0)
WINDOW_UPDATES_PER_DATA_FRAME = 4
# A frame that a window of a few bytes made us send gives nothing back: small windows are a way to make us dribble.
DRIBBLE_BYTES = 256

# Frames that say nothing: DATA without data (CVE-2019-9518), PRIORITY (CVE-2019-9513), unknown types. Firefox sends a
# handful of PRIORITY frames at the start.
IDLE_FRAMES = (500, 50.0)

# Frames on streams that have ended: at most a window is under way on each that we reset, in frames of 1 KiB or so.
LATE_FRAMES = (20_000, 1000.0)

# An upstream ends streams that we have opened: it gains nothing, and others share the connection.
UNLIMITED = (2**53, 0.0)
