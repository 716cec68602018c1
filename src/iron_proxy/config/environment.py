"""
Variables that each take the place of one key of the file: `IRON_*`, and those that name the outbound proxy.

An empty variable counts as not set. A value is read as Go reads it (`strconv`), which is stricter than YAML; what it
means is checked with the key itself, in the readers, and told under the variable's name. Secrets have sources of their
own: `secret_sources/`.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from iron_proxy.config.problems import Problems
from iron_proxy.config.section import Section
from iron_proxy.go_compat.durations import parse_duration
from iron_proxy.go_compat.numbers import parse_bool, parse_int


def _as_text(text: str) -> str:
    return text


def _as_bool(text: str) -> str:
    return "true" if parse_bool(text) else "false"


def _as_int64(text: str) -> str:
    return str(parse_int(text))


def _as_int(text: str) -> str:
    return str(parse_int(text, function="Atoi"))


def _as_duration(text: str) -> str:
    parse_duration(text)
    return text


@dataclass(frozen=True, slots=True)
class Override:
    """One variable: the block and key that it replaces, and how its text becomes the text of a YAML value."""

    variable: str
    block: str
    key: str
    convert: Callable[[str], str] = _as_text  # raises ValueError


OVERRIDES = (
    Override("IRON_DNS_ENABLED", "dns", "enabled", _as_bool),
    Override("IRON_DNS_LISTEN", "dns", "listen"),
    Override("IRON_DNS_PROXY_IP", "dns", "proxy_ip"),
    Override("IRON_DNS_UPSTREAM_RESOLVER", "dns", "upstream_resolver"),
    Override("IRON_PROXY_HTTP_LISTEN", "proxy", "http_listen"),
    Override("IRON_PROXY_HTTPS_LISTEN", "proxy", "https_listen"),
    Override("IRON_PROXY_TUNNEL_LISTEN", "proxy", "tunnel_listen"),
    Override("IRON_PROXY_MAX_REQUEST_BODY_BYTES", "proxy", "max_request_body_bytes", _as_int64),
    Override("IRON_PROXY_MAX_RESPONSE_BODY_BYTES", "proxy", "max_response_body_bytes", _as_int64),
    Override("IRON_PROXY_UPSTREAM_RESPONSE_HEADER_TIMEOUT", "proxy", "upstream_response_header_timeout", _as_duration),
    Override("IRON_TLS_MODE", "tls", "mode"),
    Override("IRON_TLS_CA_CERT", "tls", "ca_cert"),
    Override("IRON_TLS_CA_KEY", "tls", "ca_key"),
    Override("IRON_TLS_CERT_CACHE_SIZE", "tls", "cert_cache_size", _as_int),
    Override("IRON_TLS_LEAF_CERT_EXPIRY_HOURS", "tls", "leaf_cert_expiry_hours", _as_int),
    Override("IRON_METRICS_LISTEN", "metrics", "listen"),
    Override("IRON_MANAGEMENT_LISTEN", "management", "listen"),
    Override("IRON_LOG_LEVEL", "log", "level"),
    # Of two spellings the later one here counts: upper case, as in Go.
    Override("http_proxy", "upstream_proxy", "http_proxy"),
    Override("HTTP_PROXY", "upstream_proxy", "http_proxy"),
    Override("https_proxy", "upstream_proxy", "https_proxy"),
    Override("HTTPS_PROXY", "upstream_proxy", "https_proxy"),
    Override("no_proxy", "upstream_proxy", "no_proxy"),
    Override("NO_PROXY", "upstream_proxy", "no_proxy"),
)

# Recognised and refused: whoever sets one expects what it switches on.
NOT_AVAILABLE = (
    "IRON_CONTROL_PLANE_POLL_INTERVAL",
    "IRON_PROXY_TOKEN",  # managed mode
)
# Near enough to be a slip of the finger, and far enough from variables that hold secrets of the operator's own.
_SLIP_CUTOFF = 0.88


def apply_environment(blocks: Mapping[str, Section], environment: Mapping[str, str], problems: Problems) -> None:
    """
    Put the values of variables in place of what the blocks hold; note what is wrong.

    The blocks are those of the root, by name, and `upstream_proxy` within `proxy`.
    """
    for override in OVERRIDES:
        text = environment.get(override.variable)
        if not text:
            continue
        try:
            blocks[override.block].override(override.key, override.convert(text), override.variable)
        except ValueError as error:
            problems.variable_error(override.variable, str(error))
    for variable in NOT_AVAILABLE:
        if environment.get(variable):
            problems.variable_error(variable, "not available in this version")
    problems.warnings.extend(_warnings(environment))


def _warnings(environment: Mapping[str, str]) -> list[str]:
    warnings = []
    known = [override.variable for override in OVERRIDES]
    for variable in sorted(environment):
        if variable.startswith("IRON_") and variable not in known and variable not in NOT_AVAILABLE:
            close = difflib.get_close_matches(variable, known, n=1, cutoff=_SLIP_CUTOFF)
            if close:
                warnings.append(f'environment: {variable}: is not read (did you mean "{close[0]}"?)')
    return warnings
