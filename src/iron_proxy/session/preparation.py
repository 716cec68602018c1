"""
Everything that is settled before a program starts: configuration, CA, policy, what it may see, and its environment.

Called by `cli/run.py`; carried out by `jailed.py` or `unjailed.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.config.loading import examine_config
from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.config.schema import Config, ProxyConfig, UpstreamTLSConfig
from iron_proxy.jail.client_environment import client_environment
from iron_proxy.secret_sources.known_values import KNOWN_VALUES
from iron_proxy.secret_sources.source import Secret
from iron_proxy.session import certificates
from iron_proxy.session.child_environment import clean
from iron_proxy.session.doors import in_session
from iron_proxy.session.policy import Additions, Policy, build_policy

_JAVA_OPTIONS: Final = "JAVA_TOOL_OPTIONS"
_PROXY_PASSWORD: Final = "the outbound proxy's password"  # noqa: S105 - a name
_CLIENTS_ARE_NOT_KNOWN: Final = (
    "the configuration has clients; the program is none of them, so that rules for clients do not apply to it"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for. `limits`: as in `JailPlan`. `hidden`: files that the program must not see."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    config_path: str = ""
    additions: Additions = field(default_factory=Additions)
    ports: tuple[int, ...] = ()
    binds: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preparation:
    """`trust`: what programs read their trust from, by file name; empty when no TLS is terminated."""

    order: Order
    config: Config
    policy: Policy
    ca_files: CAFiles | None
    trust: Mapping[str, bytes]
    notes: tuple[str, ...]

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that lead out besides the usual ones."""
        return (*self.order.ports, *self.policy.ports)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Files that the program must not see."""
        config, order = self.config, self.order
        keys = (config.tls.ca_key, *_client_keys(config.proxy.upstream_tls), config.audit.sign_key)
        named = (order.config_path, *keys, *self.policy.files, config.management.api_key_file)
        return tuple(dict.fromkeys([*filter(None, named), *order.hidden]))

    async def program_environment(
        self, trust_folder: str, proxy_url: str | None = None
    ) -> tuple[dict[str, str], list[str]]:
        """
        The variables of the program, and sentences about what was taken out of them.

        `trust_folder` is where it finds the files of `trust`; with a `proxy_url` it is told to go there.
        """
        await self.policy.ask_sources()
        outer = self.order.environment
        management = self.config.management.api_key_env
        known = [(_PROXY_PASSWORD, text) for text in _proxy_passwords(self.config.proxy)]
        known += [(management, outer[management])] if outer.get(management) else []
        self.policy.secrets.extend(Secret(name, text) for name, text in known)
        variables, betraying = clean(outer, self.policy.variables | {management}, KNOWN_VALUES.found_in)
        variables |= {name: token for name, token in self.policy.tokens.items() if outer.get(name)}
        if self.trust:
            names = (certificates.BUNDLE, certificates.CA, certificates.JAVA_STORE)
            bundle, ca, java = (f"{trust_folder}/{name}" for name in names)
            variables |= client_environment(bundle, ca, java, proxy_url, java_options=outer.get(_JAVA_OPTIONS, ""))
        notes = [f"{name} is not passed on: {secret} stands in it" for name, secret in betraying.items()]
        return variables, notes


def prepare(order: Order) -> Preparation:
    """Raises ConfigError with all that is wrong, and StartupError for files that cannot be read."""
    config, problems = examine_config(order.config_path or None, order.environment, in_session=True)
    config = in_session(config)
    policy = build_policy(config, order.additions, order.environment)
    problems.raise_if_any()
    ca_files = certificates.session_ca(config.tls)
    trust = certificates.trust_files(ca_files.certificate) if ca_files is not None else {}
    notes = [*problems.warnings, *([_CLIENTS_ARE_NOT_KNOWN] if config.clients else [])]
    return Preparation(order, config, policy, ca_files, trust, tuple(notes))


def _client_keys(upstream_tls: UpstreamTLSConfig) -> Iterator[str]:
    for path in (upstream_tls.client_key, *(host.client_key for host in upstream_tls.hosts)):
        if path is not None:
            yield path


def _proxy_passwords(proxy: ProxyConfig) -> Iterator[str]:
    for url in (proxy.upstream_proxy.http_proxy, proxy.upstream_proxy.https_proxy):
        credentials = parse_proxy_url(url).credentials if url else None
        if credentials is not None:
            yield credentials.socks_fields()[1].decode("utf-8", "surrogateescape")
