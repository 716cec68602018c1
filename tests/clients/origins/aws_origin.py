"""moto's server as the AWS API, behind TLS; run in the namespace by `tests/clients/world.py`."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from tests.clients.origins.credentials import carries_secret
from werkzeug.serving import WSGIRequestHandler, make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def admitting(application: Application) -> Application:
    """The access key in the signature has to be the real one; moto itself looks at neither."""

    def admit(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if carries_secret(environment.get("HTTP_AUTHORIZATION", "")):
            return application(environment, start)
        start("401 Unauthorized", [("Content-Type", "text/plain")])
        return [b"no secret\n"]

    return admit


class KeptConnections(WSGIRequestHandler):
    """As AWS does it; and it writes no log."""

    protocol_version = "HTTP/1.1"

    def log(self, *arguments: object) -> None:
        pass


def main() -> None:
    server = make_server(
        "127.0.1.5", 443, admitting(DomainDispatcherApplication(create_backend_app)), threaded=True,
        ssl_context=(os.environ["CERTIFICATE"], os.environ["CERTIFICATE"]), request_handler=KeptConnections,
    )  # fmt: skip
    print(json.dumps({"ready": True}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
