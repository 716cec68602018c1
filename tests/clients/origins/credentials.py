"""Whether a request carries the real secret, in any of the ways in which clients send one; used by every origin."""

import base64
import binascii
import os
import urllib.parse

SECRET = os.environ.get("SECRET", "")


def carries_secret(authorization: str, target: str = "") -> bool:
    """Bearer and signatures as they are, Basic behind its base64, else `key` in the query."""
    if SECRET in authorization:
        return True
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return SECRET in base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
    return query.get("key") == [SECRET]
