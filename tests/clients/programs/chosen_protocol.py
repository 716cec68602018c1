"""Print which protocol a server picks by ALPN: `chosen_protocol.py HOST`."""

import socket
import ssl
import sys

context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
context.set_alpn_protocols(["h2", "http/1.1"])
with (
    socket.create_connection((sys.argv[1], 443), 10) as raw,
    context.wrap_socket(raw, server_hostname=sys.argv[1]) as stream,
):
    print(stream.selected_alpn_protocol())
