"""urllib3: it is told of the proxy by its caller."""

import json
import os

import urllib3
from tests.clients.programs import payload
from urllib3.contrib.socks import SOCKSProxyManager

pool: urllib3.PoolManager
if "HTTPS_PROXY" in os.environ:
    pool = urllib3.ProxyManager(os.environ["HTTPS_PROXY"])
elif "ALL_PROXY" in os.environ:
    pool = SOCKSProxyManager(os.environ["ALL_PROXY"])
else:
    pool = urllib3.PoolManager()
seen = pool.request("GET", payload.SEEN, headers=payload.HEADERS).json()
sized = pool.request("PUT", payload.UPLOAD, headers=payload.HEADERS, body=payload.CONTENT).json()
chunked = pool.request("PUT", payload.UPLOAD, headers=payload.HEADERS, body=payload.in_pieces(), chunked=True).json()
download = pool.request("GET", payload.FILE, headers=payload.HEADERS, preload_content=False)
payload.report(seen, json.loads(json.dumps(sized)), chunked, payload.digest_of(download.stream(65_536)))
