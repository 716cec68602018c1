"""
Times towards clients that no operator has a reason to change, in seconds. The others are `limits` in the configuration.
"""

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
