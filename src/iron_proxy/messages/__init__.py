"""Values on the wire as typed parts: authority, headers, request, response, body. Pure."""
