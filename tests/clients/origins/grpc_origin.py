"""
A gRPC server with one method of each kind, on raw bytes; run in the namespace by `tests/clients/world.py`.

    /tests.Calls/Unary    the message reversed               /tests.Calls/Download    five messages, numbered
    /tests.Calls/Upload   how many messages, how many bytes  /tests.Calls/Chat        each message back as it comes
    /tests.Calls/Fail     status OUT_OF_RANGE with details

Every call ends with the trailing metadata `x-checksum: 7`.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from tests.clients.origins.credentials import carries_secret


def unary(message: bytes, call: grpc.ServicerContext) -> bytes:
    call.set_trailing_metadata((("x-checksum", "7"),))
    return message[::-1]


def download(message: bytes, call: grpc.ServicerContext) -> Iterator[bytes]:
    call.set_trailing_metadata((("x-checksum", "7"),))
    for number in range(5):
        yield b"%d %b" % (number, message)


def upload(messages: Iterator[bytes], call: grpc.ServicerContext) -> bytes:
    call.set_trailing_metadata((("x-checksum", "7"),))
    lengths = [len(message) for message in messages]
    return b"%d %d" % (len(lengths), sum(lengths))


def chat(messages: Iterator[bytes], call: grpc.ServicerContext) -> Iterator[bytes]:
    call.set_trailing_metadata((("x-checksum", "7"),))
    yield from messages


def fail(message: bytes, call: grpc.ServicerContext) -> bytes:
    call.abort(grpc.StatusCode.OUT_OF_RANGE, "as asked: é")
    return message


class Admission(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """UNAUTHENTICATED for calls without the secret."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        if carries_secret(dict(details.invocation_metadata).get("authorization", "")):
            return continuation(details)
        return grpc.unary_unary_rpc_method_handler(
            lambda message, call: call.abort(grpc.StatusCode.UNAUTHENTICATED, "no secret")
        )


def main() -> None:
    pem = Path(os.environ["CERTIFICATE"]).read_bytes()
    server = grpc.server(ThreadPoolExecutor(8), interceptors=[Admission()])
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Download": grpc.unary_stream_rpc_method_handler(download),
        "Upload": grpc.stream_unary_rpc_method_handler(upload),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Calls", methods),))
    server.add_secure_port("127.0.1.4:443", grpc.ssl_server_credentials([(pem, pem)]))
    server.start()
    print(json.dumps({"ready": True}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
