"""requests: it finds the proxy and the CA in its environment."""

import requests
from tests.clients.programs import payload

with requests.Session() as session:
    session.headers.update(payload.HEADERS)
    seen = session.get(payload.SEEN, timeout=30).json()
    sized = session.put(payload.UPLOAD, data=payload.CONTENT, timeout=30).json()
    chunked = session.put(payload.UPLOAD, data=payload.in_pieces(), timeout=30).json()
    with session.get(payload.FILE, stream=True, timeout=30) as response:
        file = payload.digest_of(response.iter_content(65_536))
payload.report(seen, sized, chunked, file)
