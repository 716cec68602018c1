"""BASE.yaml of the attack cases as a mapping (JSON is YAML), and the transforms that tests put into it."""

from typing import Any

from tests.fakes.internet import Internet
from tests.fakes.running_proxy import PROXY_TOKEN, ProxyCA


def base_config(internet: Internet, ca: ProxyCA, **changes: Any) -> dict[str, Any]:
    """
    BASE.yaml of the attack cases, on free ports. `changes` replace whole blocks, or single keys of one as `proxy__key`.

    A change to None removes the key.
    """
    config: dict[str, Any] = {
        "dns": {"listen": "127.0.0.1:0", "proxy_ip": "127.0.0.1", "upstream_resolver": internet.dns.address},
        "proxy": {
            "http_listen": "127.0.0.1:0",
            "https_listen": "127.0.0.1:0",
            "tunnel_listen": "127.0.0.1:0",
            "upstream_response_header_timeout": "2s",
            "upstream_deny_cidrs": ["127.0.0.0/24", "169.254.0.0/16", "::1/128"],
        },
        "tls": {"ca_cert": str(ca.certificate), "ca_key": str(ca.key)},
        "transforms": [allowlist(), secrets()],
        "metrics": {"listen": "127.0.0.1:0"},
        "log": {"level": "info"},
    }
    for name, value in changes.items():
        block, _, key = name.partition("__")
        place, last = (config[block], key) if key else (config, block)
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return config


def allowlist(**changes: Any) -> dict[str, Any]:
    """BASE.yaml's allowlist."""
    config: dict[str, Any] = {
        "domains": [
            "ok.test", "*.wild.test", "inject.test", "injectq.test", "swap.test", "lo.test", "multi.test",
            "rebind.test", "slow.test", "nx.test",
        ],
        "cidrs": ["127.0.1.9/32"],
        "rules": [{"host": "rules.test", "methods": ["GET", "POST"], "paths": ["/v1/*", "/exact"]}],
        **changes,
    }  # fmt: skip
    return {"name": "allowlist", "config": config}


def secrets() -> dict[str, Any]:
    """BASE.yaml's secrets."""
    return secrets_of(
        {
            "source": {"type": "env", "var": "SEC_INJ"},
            "inject": {"header": "Authorization", "formatter": "Bearer {{ .Value }}"},
            "rules": [{"host": "inject.test"}],
        },
        {
            "source": {"type": "env", "var": "SEC_Q"},
            "inject": {"query_param": "key"},
            "rules": [{"host": "injectq.test"}],
        },
        replacement("SEC_REP", match_body=True, match_path=True, match_query=True, require=True),
    )


def secrets_of(*entries: dict[str, Any]) -> dict[str, Any]:
    """A secrets transform with these entries."""
    return {"name": "secrets", "config": {"secrets": list(entries)}}


def replacement(
    variable: str, token: str = PROXY_TOKEN, host: str = "swap.test",
    headers: tuple[str, ...] = ("X-Api-Key", "Authorization"), **keys: Any,
) -> dict[str, Any]:  # fmt: skip
    """An entry that replaces a proxy token."""
    return {
        "source": {"type": "env", "var": variable},
        "replace": {"proxy_value": token, "match_headers": list(headers), **keys},
        "rules": [{"host": host}],
    }
