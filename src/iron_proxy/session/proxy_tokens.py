"""
Proxy tokens that look like the secrets they stand for, for clients that check the form of their keys.

A token keeps a prefix that is public knowledge (`sk-`, `ghp_`), the length and the kinds of characters; everything else
is random. Called by `policy.py`. No text of a secret leaves this file but such a prefix.
"""

import re
import secrets
import string
import uuid
from typing import Final

# What services write before the secret part of their keys.
KNOWN_PREFIXES: Final = (
    "AIza", "SG.", "dckr_pat_", "dop_v1_", "figd_", "github_pat_", "ghp_", "gho_", "ghr_", "ghs_", "ghu_", "glpat-",
    "glrt-", "gsk_", "hf_", "lin_api_", "npm_", "nvapi-", "pk_live_", "pk_test_", "pplx-", "pypi-", "r8_", "rk_live_",
    "rk_test_", "sk-", "sk-ant-", "sk-ant-api03-", "sk-or-v1-", "sk-proj-", "sk_live_", "sk_test_", "tvly-", "xai-",
    "xapp-", "xoxb-", "xoxp-",
)  # fmt: skip

# Shorter ones may turn up in a request by accident. What is longer is no key but a document.
_SHORTEST, _LONGEST = 24, 256
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALPHABETS: Final = (string.digits + "abcdef", string.ascii_lowercase + string.digits)
_ANY: Final = string.ascii_letters + string.digits


def token_like(value: str) -> str:
    """A new random token for a secret."""
    if _UUID.fullmatch(value):
        return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
    prefix = max((known for known in KNOWN_PREFIXES if value.startswith(known)), key=len, default="")
    rest = value[len(prefix) :]
    alphabet = next((known for known in _ALPHABETS if set(rest) <= set(known)), _ANY)
    length = min(max(len(rest), _SHORTEST), _LONGEST)
    return prefix + "".join(secrets.choice(alphabet) for _ in range(length))
