"""What we demand of an upstream's TLS: a certificate for the name we dialled, TLS 1.2 or newer, always."""

import ssl


def client_context() -> ssl.SSLContext:
    """
    The one context for upstream connections: system roots (or SSL_CERT_FILE, SSL_CERT_DIR), verification on.

    A bare SSLContext ignores SSLKEYLOGFILE, which would write session keys to disk. One is shared by all connections:
    the system's roots weigh some 800 KiB.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_default_verify_paths()
    context.set_alpn_protocols(["http/1.1"])
    return context
