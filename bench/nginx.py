"""
The two nginx configurations: the origin that all arms fetch from, and the reverse proxy that is the limit in C.

Both run one worker and keep every connection: nginx would otherwise close each after 1000 requests, and the
handshakes would be charged to whoever is measured.
"""

import grp
import os
import pwd
from pathlib import Path

from bench.setting import (
    HOST,
    LARGE,
    LARGE_BYTES,
    MIDDLE,
    MIDDLE_BYTES,
    REAL_SECRET,
    SMALL,
    SMALL_BODY,
    UNARY,
    UPLOAD,
    Ports,
    Setting,
)

# More than any run sends over one connection.
_REQUESTS_PER_CONNECTION = 1_000_000_000
# As many idle connections to the origin as any workload opens, and some to spare.
_IDLE_UPSTREAM_CONNECTIONS = 128
# Far more than any workload but that of idle connections opens; nginx sets memory aside for each.
USUAL_CONNECTIONS = 4096

# An answer before the end of the body would be a cancellation for some clients: a mirror that goes nowhere makes nginx
# read the body first, and that there is no such file is then turned into the answer.
_ANSWER_BEHIND_THE_BODY = "mirror /nowhere; log_not_found off; error_page 404 =200 @answer;"


def command(configuration: Path) -> list[str]:
    """How nginx is started: in the foreground, with nothing outside the configuration's folder."""
    folder = configuration.parent
    return ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]


def write_documents(directory: Path) -> None:
    """The files that the origin serves. Random bytes, so that nothing along the way finds them easy."""
    (directory / MIDDLE[1:]).write_bytes(os.urandom(MIDDLE_BYTES))
    piece = os.urandom(1000 * 1000)
    with (directory / LARGE[1:]).open("wb") as document:
        for _ in range(LARGE_BYTES // len(piece)):
            document.write(piece)


def origin_configuration(setting: Setting, ports: Ports, documents: Path) -> str:
    """
    The origin: the small and the 16 KiB answer only for the real secret, the 100 MB file for everybody.

    So every answer that a load generator counts proves that the credential was swapped on the way.
    """
    return _configuration(
        setting,
        f"""
    access_log off;
    open_file_cache max=10;
    map $http_authorization $is_authorized {{
        default 0;
        "Bearer {REAL_SECRET}" 1;
    }}
    server {{
        {_listen(setting, ports, "http")}
        {_listen(setting, ports, "https")}
        root {documents};
        default_type application/json;
        location = {SMALL} {{
            if ($is_authorized = 0) {{ return 401; }}
            return 200 '{SMALL_BODY.decode()}';
        }}
        location = {MIDDLE} {{
            if ($is_authorized = 0) {{ return 401; }}
        }}
        location = {LARGE} {{ }}
        location = {UPLOAD} {{
            if ($is_authorized = 0) {{ return 401; }}
            {_ANSWER_BEHIND_THE_BODY}
        }}
        location @answer {{ return 200 '{SMALL_BODY.decode()}'; }}
        location = /nowhere {{ internal; return 204; }}
    }}
{_unary_origin(setting, ports)}""",
    )


def _unary_origin(setting: Setting, ports: Ports) -> str:
    return f"""    server {{
        {_listen(setting, ports, "h2")}
        http2 on;
        default_type application/grpc;
        location = {UNARY} {{
            if ($is_authorized = 0) {{ return 401; }}
            {_ANSWER_BEHIND_THE_BODY}
        }}
        location @answer {{
            add_trailer grpc-status 0 always;
            return 200 '{SMALL_BODY.decode()}';
        }}
        location = /nowhere {{ internal; return 204; }}
    }}"""


def reverse_proxy_configuration(
    setting: Setting, ports: Ports, access_log: Path, connections: int = USUAL_CONNECTIONS
) -> str:
    """
    The rival: the credential is set, the upstream's certificate verified, every request logged as JSON.

    It decides nothing: no allowlist, no look for tokens. The log is written in pieces, as ours is.
    """
    servers = "\n".join(_reverse_proxy_server(setting, ports, scheme) for scheme in ("http", "https"))
    return _configuration(
        setting,
        f"""
    log_format audit escape=json '{{"time":"$time_iso8601","level":"INFO","msg":"request","host":"$host",'
        '"method":"$request_method","path":"$uri","action":"allow","status_code":$status,'
        '"duration_ms":$request_time,"upstream":"$upstream_addr"}}';
    access_log {access_log} audit buffer=64k flush=1s;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header Authorization "Bearer {REAL_SECRET}";
    proxy_request_buffering off;
    grpc_set_header Authorization "Bearer {REAL_SECRET}";
    grpc_set_header Host $http_host;
    grpc_ssl_name {HOST};
    grpc_ssl_server_name on;
    grpc_ssl_verify on;
    grpc_ssl_trusted_certificate {setting.certificates.ca};
    proxy_ssl_name {HOST};
    proxy_ssl_server_name on;
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate {setting.certificates.ca};
    proxy_max_temp_file_size 0;
{servers}
    upstream h2_origin {{
        server 127.0.0.1:{setting.origin.of("h2")};
        keepalive {_IDLE_UPSTREAM_CONNECTIONS};
        keepalive_requests {_REQUESTS_PER_CONNECTION};
    }}""",
        connections,
    )


def _reverse_proxy_server(setting: Setting, ports: Ports, scheme: str) -> str:
    unary = f"http2 on;\n        location = {UNARY} {{ grpc_pass grpcs://h2_origin; }}" if scheme == "https" else ""
    return f"""    upstream {scheme}_origin {{
        server 127.0.0.1:{setting.origin.of(scheme)};
        keepalive {_IDLE_UPSTREAM_CONNECTIONS};
        keepalive_requests {_REQUESTS_PER_CONNECTION};
    }}
    server {{
        {_listen(setting, ports, scheme)}
        location / {{ proxy_pass {scheme}://{scheme}_origin; }}
        {unary}
    }}"""


def _listen(setting: Setting, ports: Ports, scheme: str) -> str:
    if scheme == "http":
        return f"listen 127.0.0.1:{ports.http} backlog=4096;"
    return f"""listen 127.0.0.1:{ports.of(scheme)} ssl backlog=4096;
        ssl_certificate {setting.certificates.leaf};
        ssl_certificate_key {setting.certificates.leaf_key};
        ssl_protocols TLSv1.2 TLSv1.3;"""


def _configuration(setting: Setting, http: str, connections: int = USUAL_CONNECTIONS) -> str:
    # Started by root, a worker would become "nobody" and could not read a private folder: it stays who we are.
    user = f"user {pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name};"
    return f"""{user if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections {connections}; }}
http {{
    client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_requests {_REQUESTS_PER_CONNECTION};
    keepalive_timeout 600s;
    client_max_body_size 0;
    tcp_nodelay on;
    sendfile on;{http}
}}
"""
