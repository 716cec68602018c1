"""
`Authorization: Basic` credentials (RFC 7617): tokens are looked for in what the base64 holds, not in the base64.

Nothing else is decoded: not in other fields, not in other schemes.
"""

import binascii

_SCHEME = b"basic "


def decode_basic(value: bytes) -> bytes | None:
    """The credentials, or None when the value is not Basic with valid, padded base64."""
    if value[: len(_SCHEME)].lower() != _SCHEME:
        return None
    try:
        return binascii.a2b_base64(value[len(_SCHEME) :].strip(b" "), strict_mode=True)
    except binascii.Error:
        return None


def with_credentials(value: bytes, credentials: bytes) -> bytes:
    """The value with other credentials; the scheme keeps the client's spelling."""
    return value[: len(_SCHEME)] + binascii.b2a_base64(credentials, newline=False)
