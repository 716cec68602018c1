"""O1: whether a secret is somewhere that it must not be."""

import base64
import urllib.parse


def check_confined(secrets: list[str], text: bytes, where: str) -> None:
    """O1: a secret may not be there, nor its base64 at any alignment, nor its URL form."""
    for secret in secrets:
        raw = secret.encode()
        forms = [raw, urllib.parse.quote(raw, safe="").encode()]
        # Whatever precedes it shifts the alignment; the first and last letters mix with the neighbours.
        forms += [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
        assert not any(form in text for form in forms), f"a real secret is in {where}"
