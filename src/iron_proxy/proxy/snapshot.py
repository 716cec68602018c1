"""What a reload replaces, as one frozen object: a request never sees half of a reload."""

from dataclasses import dataclass, field

from iron_proxy.matching.host_patterns import HostPattern
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy.client_identity import ClientIdentities


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The policy of one configuration. Each request takes one and keeps it to its end.

    `tls_mode` is `mitm` or `sni-only`; `passthrough` are the hosts whose TLS is passed through in mitm mode.
    """

    pipeline: Pipeline
    generation: int = 1
    tls_mode: str = "mitm"
    passthrough: tuple[HostPattern, ...] = ()
    clients: ClientIdentities = field(default_factory=ClientIdentities)
    require_client: bool = False                 # who is none of `clients` is refused
    explains_denials: bool = False               # also to clients that have not asked for it

    def passes_through(self, host: str) -> bool:
        """Whether TLS for a host, in canonical form, goes to its upstream as it is."""
        return self.tls_mode == "sni-only" or any(pattern.matches(host) for pattern in self.passthrough)

    @property
    def passthrough_mode(self) -> str:
        """What audit records call a connection that is passed through."""
        return "sni-only" if self.tls_mode == "sni-only" else "passthrough"

    async def aclose(self) -> None:
        """Close what transforms and clients' passwords own, once the last request that has this snapshot has ended."""
        await self.pipeline.aclose()
        await self.clients.aclose()
