"""httpx, with `http2` as an argument over HTTP/2: it finds the proxy and the CA in its environment."""

import os
import ssl
import sys

import httpx
from tests.clients.programs import payload

http2 = "http2" in sys.argv
context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
with httpx.Client(http2=http2, headers=payload.HEADERS, timeout=30, verify=context) as client:
    response = client.get(payload.SEEN)
    if response.http_version != ("HTTP/2" if http2 else "HTTP/1.1"):
        sys.exit(response.http_version)
    sized = client.put(payload.UPLOAD, content=payload.CONTENT).json()
    chunked = client.put(payload.UPLOAD, content=payload.in_pieces()).json()
    with client.stream("GET", payload.FILE) as streamed:
        file = payload.digest_of(streamed.iter_bytes())
payload.report(response.json(), sized, chunked, file)
