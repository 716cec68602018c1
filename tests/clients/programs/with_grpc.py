"""grpcio: all four kinds of call, and one that fails; it finds https_proxy and the CA in its environment."""

import json

import grpc
from tests.clients.programs import payload

METADATA = [(name.lower(), value) for name, value in payload.HEADERS.items()]
MESSAGES = [b"a", b"b" * 70_000, b"", b"c" * 1_000_000]

with grpc.secure_channel("grpc.test:443", grpc.ssl_channel_credentials()) as channel:
    unary, call = channel.unary_unary("/tests.Calls/Unary").with_call(b"hello", metadata=METADATA, timeout=20)
    download = channel.unary_stream("/tests.Calls/Download")(b"x" * 100_000, metadata=METADATA, timeout=20)
    downloaded = [message[:1].decode() for message in download]
    upload = channel.stream_unary("/tests.Calls/Upload")(iter(MESSAGES), metadata=METADATA, timeout=20)
    chat = channel.stream_stream("/tests.Calls/Chat")(iter(MESSAGES), metadata=METADATA, timeout=20)
    chatted = list(chat) == MESSAGES
    try:
        channel.unary_unary("/tests.Calls/Fail")(b"", metadata=METADATA, timeout=20)
        failure = ""
    except grpc.RpcError as error:
        failure = f"{error.code().name}: {error.details()}"
print(
    json.dumps(
        {
            "unary": unary.decode(),
            "downloaded": downloaded,
            "uploaded": upload.decode(),
            "chatted": chatted,
            "failure": failure,
            "trailers": [dict(each.trailing_metadata()).get("x-checksum") for each in (call, download, chat)],
        }
    )
)
