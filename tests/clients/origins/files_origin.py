"""nginx as the origin of large and of many files, over HTTP/1.1 and HTTP/2; run by `tests/clients/world.py`."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

ADDRESS = "127.0.1.3"
RANDOM_BYTES = 20_000_000
SPARSE_BYTES = 1 << 30

_CONFIGURATION = """\
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    map $host:$http_authorization $permitted {{ default 0; "~^[^:]*:Bearer {secret}$" 1; "~^open\\.test:" 1; }}
    server {{
        listen {address}:443 ssl;
        http2 on;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        root {folder}/files;
        if ($permitted = 0) {{ return 401; }}
    }}
}}
"""


def write_configuration(folder: Path) -> Path:
    """Write the files to serve and the configuration; returns the latter's place."""
    files = folder / "files"
    files.mkdir()
    (files / "small").write_bytes(b"small\n")
    (files / "random").write_bytes(os.urandom(RANDOM_BYTES))
    with (files / "sparse").open("wb") as sparse:
        sparse.truncate(SPARSE_BYTES)
    configuration = folder / "nginx.conf"
    certificate, secret = os.environ["CERTIFICATE"], os.environ["SECRET"]
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, certificate=certificate, secret=secret, address=ADDRESS)
    )
    return configuration


def is_serving() -> bool:
    try:
        socket.create_connection((ADDRESS, 443), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def main() -> None:
    configuration = write_configuration(Path(os.environ["FOLDER"]))
    with subprocess.Popen(["nginx", "-c", str(configuration)]) as nginx:
        signal.signal(signal.SIGTERM, lambda *_: nginx.terminate())
        while nginx.poll() is None and not is_serving():
            pass
        print(json.dumps({"ready": True}), flush=True)


if __name__ == "__main__":
    main()
