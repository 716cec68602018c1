"""How long a client may take for each thing it does, in seconds. The upstream's twins are in `upstream/`."""

# A handshake is two round trips; ten seconds serve the slowest honest link and cost an attacker a new connection each.
TLS_HANDSHAKE = 10.0

# From a head's first byte to its last. Longer only serves those who hold connections open by trickling bytes.
REQUEST_HEAD = 10.0

# Between two requests of a kept connection. Clients' pools keep theirs for 60 to 120 s; ours should not be the first to
# close.
IDLE = 120.0

# A client that connects and says nothing at all.
FIRST_BYTE = 60.0

# Between two pieces of a request body. Bidirectional streams pause while a person thinks.
REQUEST_BODY = 300.0

# A client that takes nothing of our answer for this long has stopped reading.
WRITE = 120.0

# A relay in which neither side says anything. WebSocket peers that mean to stay ping more often than this.
RELAY_IDLE = 3600.0

# For a WebSocket's Close to be answered once we have said it. A stop waits for this too, with its time nearly up.
WEBSOCKET_CLOSE = 1.0

# A stop closes a passed-through connection on which nothing has moved for this long. Whether an answer is under way
# behind its TLS cannot be seen.
PASSTHROUGH_QUIET = 1.0

# A client that ends its direction after its request may be a script that half-closed, or a program that was killed:
# both look alike. Its answer gets this long to come; then the exchange counts as given up.
HALF_CLOSE_GRACE = 2.0

# After an answer to a request whose body we did not read, the rest is read and thrown away for a while: closing at
# once would reset the connection and could destroy the answer on its way (RFC 9112 section 9.6).
LINGER = 2.0
LINGER_BYTES = 256 * 1024
