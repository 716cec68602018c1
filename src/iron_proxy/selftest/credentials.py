"""What real credentials look like, so that one that lies about can be told of by its place. Pure; values go nowhere."""

import re
from collections.abc import Mapping
from typing import Final

# The published forms of well-known issuers' tokens, and of keys and passwords in files and URLs.
_FORMS: Final = re.compile(
    r"""
    sk-[A-Za-z0-9_-]{20,}                               # Anthropic, OpenAI, Stripe and others
    | (?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{22,}       # GitHub
    | glpat-[A-Za-z0-9_-]{20,}                          # GitLab
    | xox[abprs]-[A-Za-z0-9-]{10,}                      # Slack
    | npm_[A-Za-z0-9]{30,}
    | pypi-[A-Za-z0-9_-]{50,}
    | AIza[A-Za-z0-9_-]{30,}                            # Google
    | hf_[A-Za-z0-9]{30,}                               # Hugging Face
    | (?:AKIA|ASIA)[A-Z0-9]{16}                         # AWS
    | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.    # a JSON Web Token
    | [a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@           # a URL with a password
    | -----BEGIN[ ](?:[A-Z]+[ ])?PRIVATE[ ]KEY-----
    """,
    re.VERBOSE,
)
# Names that hold nothing else, where the value has no form of its own.
_NAMES: Final = re.compile(
    r"(?:.*_)?(?:AWS_SECRET_ACCESS_KEY|SECRET_KEY|CLIENT_SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_TOKEN|AUTH_TOKEN)"
)
_SHORTEST: Final = 8


def looks_real(name: str, value: str) -> bool:
    """Whether a variable of this name and value is a credential, as far as its form tells."""
    is_proxy = name.lower().endswith("_proxy")  # its password is for the proxy, which this place is to know
    by_name = _NAMES.fullmatch(name) is not None and len(value) >= _SHORTEST
    return not is_proxy and (_FORMS.search(value) is not None or by_name)


def find_credentials(environment: Mapping[str, str], known_tokens: frozenset[str] = frozenset()) -> list[str]:
    """The names of the variables that hold credentials. Those of `known_tokens` hold a proxy token instead."""
    return sorted(
        name for name, value in environment.items() if name not in known_tokens and looks_real(name, value)
    )


def parse_environ(content: bytes) -> dict[str, str]:
    """The variables of a process, as /proc/PID/environ has them."""
    pairs = (each.decode("utf-8", "replace").partition("=") for each in content.split(b"\0") if b"=" in each)
    return {name: value for name, _, value in pairs}
