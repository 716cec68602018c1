"""
Every variable that clients read for their CA and for their proxy, as data, and the environment made of it.

`routed` traffic (DNS, a jail, TPROXY) needs the CA alone; `proxied` traffic also has to be told of the proxy. Pure: the
files are named by the caller, who also writes them (`trust.py`). Called by `cli/env.py`, `doctor/` and whoever starts a
program inside. The page docs/howto/make-clients-trust-the-ca.md has the same table, and a test compares them.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from iron_proxy.config.addresses import ListenAddress
from iron_proxy.jail.trust import JAVA_STORE_PASSWORD


class Holds(Enum):
    """What a variable is set to."""

    BUNDLE = "the bundle: the system's roots and the CA"
    CA = "the CA's certificate"
    JAVA = "options that name the trust store, and the proxy"
    PROXY = "the proxy's URL"
    NO_PROXY = "what goes without the proxy"
    FLAG = "1"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, who reads it, and why it is needed beside the others."""

    name: str
    holds: Holds
    read_by: str
    reason: str

    @property
    def is_about_proxy(self) -> bool:
        """Whether it is set for traffic that is sent to a proxy only."""
        return self.holds in (Holds.PROXY, Holds.NO_PROXY, Holds.FLAG)


_REPLACES = "its file takes the place of the built-in roots, so it gets the bundle"

VARIABLES: Final = (
    Variable(
        "SSL_CERT_FILE", Holds.BUNDLE, "OpenSSL, Python's ssl, httpx, Go, uv, Ruby, PHP, .NET, rustls-native-certs",
        "the one that most read",
    ),
    Variable("CURL_CA_BUNDLE", Holds.BUNDLE, "curl, requests", "curl built on another TLS library reads only this"),
    Variable("REQUESTS_CA_BUNDLE", Holds.BUNDLE, "requests, conda, Azure CLI", "requests has roots of its own"),
    Variable("PIP_CERT", Holds.BUNDLE, "pip", "pip has roots of its own"),
    Variable("GIT_SSL_CAINFO", Holds.BUNDLE, "git", "git does not read curl's variable"),
    Variable("NODE_EXTRA_CA_CERTS", Holds.CA, "Node.js, npm, Bun, Electron", "added to the built-in roots"),
    Variable("NPM_CONFIG_CAFILE", Holds.BUNDLE, "npm, pnpm", _REPLACES),
    Variable("YARN_HTTPS_CA_FILE_PATH", Holds.BUNDLE, "Yarn 3 and newer", _REPLACES),
    Variable("DENO_CERT", Holds.CA, "Deno", "added to the built-in roots"),
    Variable("CARGO_HTTP_CAINFO", Holds.BUNDLE, "cargo", _REPLACES),
    Variable("AWS_CA_BUNDLE", Holds.BUNDLE, "AWS CLI and SDKs", _REPLACES),
    Variable("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", Holds.BUNDLE, "gcloud", _REPLACES),
    Variable("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", Holds.BUNDLE, "gRPC (C, C++, Python, Ruby, PHP)", _REPLACES),
    Variable("HTTPLIB2_CA_CERTS", Holds.BUNDLE, "httplib2, older Google clients", _REPLACES),
    Variable("WEBSOCKET_CLIENT_CA_BUNDLE", Holds.BUNDLE, "websocket-client (Python)", _REPLACES),
    Variable("NIX_SSL_CERT_FILE", Holds.BUNDLE, "programs built by Nix", "there it goes before SSL_CERT_FILE"),
    Variable("BUNDLE_SSL_CA_CERT", Holds.BUNDLE, "Bundler (Ruby)", _REPLACES),
    Variable("PERL_LWP_SSL_CA_FILE", Holds.BUNDLE, "LWP (Perl)", _REPLACES),
    Variable("HEX_CACERTS_PATH", Holds.BUNDLE, "Hex (Elixir, Erlang)", _REPLACES),
    Variable(
        "JAVA_TOOL_OPTIONS", Holds.JAVA, "every Java virtual machine, with Maven and Gradle in it",
        "Java reads no PEM file and no proxy variable; options that are there already are kept",
    ),
    Variable("HTTP_PROXY", Holds.PROXY, "most clients, for http", "curl reads the one in lower case only"),
    Variable("HTTPS_PROXY", Holds.PROXY, "most clients, for https", "the one that matters most"),
    Variable("ALL_PROXY", Holds.PROXY, "curl, httpx, git", "for whatever has no variable of its own"),
    Variable("http_proxy", Holds.PROXY, "curl, wget", "curl takes no HTTP_PROXY, because CGI fills that in"),
    Variable("https_proxy", Holds.PROXY, "wget", "wget reads lower case only"),
    Variable("all_proxy", Holds.PROXY, "curl, httpx, git", "the same in lower case"),
    Variable("YARN_HTTP_PROXY", Holds.PROXY, "Yarn 2 and newer", "Yarn does not read HTTP_PROXY"),
    Variable("YARN_HTTPS_PROXY", Holds.PROXY, "Yarn 2 and newer", "Yarn does not read HTTPS_PROXY"),
    Variable("NO_PROXY", Holds.NO_PROXY, "most clients", "a server on this machine is not the proxy's business"),
    Variable("no_proxy", Holds.NO_PROXY, "wget and others", "the same in lower case"),
    Variable("NODE_USE_ENV_PROXY", Holds.FLAG, "Node.js 22.21, 24.0 and newer", "else fetch reads no proxy variable"),
)  # fmt: skip

# What is on this machine itself.
NO_PROXY: Final = "localhost,127.0.0.1,::1"

_JAVA_NO_PROXY: Final = "localhost|127.*|[::1]"
# Those of our options that may be there from the last time; a JVM separates options by blanks, outside of quotes.
_JAVA_OPTION: Final = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
_OURS: Final = re.compile(
    r"""["']?-D(?:javax\.net\.ssl\.trustStore(?:Type|Password)?"""
    r"""|https?\.(?:proxyHost|proxyPort|nonProxyHosts)|socksProxy(?:Host|Port))="""
)


def client_environment(
    ca_bundle_path: str,
    ca_path: str,
    java_store_path: str | None = None,
    proxy_url: str | None = None,
    *,
    java_options: str = "",
) -> dict[str, str]:
    """
    The variables to set, by name. All paths are absolute.

    Without a `java_store_path` (a PKCS#12 store) Java is told nothing; without a `proxy_url` (`http://HOST:PORT`, or
    `socks5h://`) traffic is routed to the proxy, and no variable says so. `java_options` is what JAVA_TOOL_OPTIONS
    holds now.
    """
    values = {Holds.BUNDLE: ca_bundle_path, Holds.CA: ca_path}
    if java_store_path is not None:
        values[Holds.JAVA] = _java_tool_options(java_store_path, proxy_url, java_options)
    if proxy_url is not None:
        values |= {Holds.PROXY: proxy_url, Holds.NO_PROXY: NO_PROXY, Holds.FLAG: "1"}
    return {variable.name: values[variable.holds] for variable in VARIABLES if variable.holds in values}


def proxy_url_of(listen: ListenAddress) -> str:
    """The URL by which programs on this machine reach a listener; one on every interface is reached by loopback."""
    return f"http://{_bracketed(reachable_host(listen))}:{listen.port}"


def reachable_host(listen: ListenAddress) -> str:
    """The address by which this machine reaches a listener of its own."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _java_tool_options(store: str, proxy_url: str | None, present: str) -> str:
    kept = [each for each in _JAVA_OPTION.findall(present) if not _OURS.match(each)]
    properties = {
        "javax.net.ssl.trustStore": store,
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": JAVA_STORE_PASSWORD,
        **(_java_proxy(proxy_url) if proxy_url is not None else {}),
    }
    return " ".join([*kept, *(_java_option(f"-D{name}={value}") for name, value in properties.items())])


def _java_proxy(proxy_url: str) -> dict[str, str]:
    """Java takes host and port apart, and no password this way."""
    parts = urlsplit(proxy_url)
    host, port = parts.hostname or "", str(parts.port or 80)
    if parts.scheme.startswith("socks"):
        return {"socksProxyHost": host, "socksProxyPort": port}
    return {
        "http.proxyHost": host, "http.proxyPort": port, "https.proxyHost": host, "https.proxyPort": port,
        "http.nonProxyHosts": _JAVA_NO_PROXY,
    }  # fmt: skip


def _java_option(option: str) -> str:
    if not re.search(r"""[\s"']""", option):
        return option
    return f"'{option}'" if '"' in option else f'"{option}"'
