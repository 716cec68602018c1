"""TLS handshakes in memory between a server context and a client of the tests."""

import ssl

from cryptography import x509
from tests.unit.certs.ca_material import pem


def strict_client(*trusted: x509.Certificate) -> ssl.SSLContext:
    """A client that verifies as CPython 3.13 does by default."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=pem(*trusted).decode())
    return context


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, server_name: str, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a finished handshake: (client, server). Raises what either end raises."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client.wrap_bio(to_client, to_server, server_hostname=server_name, session=session)
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    while not (_has_finished(client_end) & _has_finished(server_end)):
        pass
    return client_end, server_end


def end_cleanly(client_end: ssl.SSLObject, server_end: ssl.SSLObject) -> None:
    """close_notify both ways."""
    for end in (client_end, server_end, client_end):
        try:
            end.unwrap()
        except ssl.SSLWantReadError:
            pass


def _has_finished(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
