"""A worker's TLS contexts: their leaves come from the supervisor, which alone has the CA's key."""

import ssl
import time
from collections.abc import Awaitable, Callable

from iron_proxy.certs.leaf_signer import SignedLeaf, context_of
from iron_proxy.certs.once_per_host import Kept, OncePerHost
from iron_proxy.certs.server_contexts import is_worn_out
from iron_proxy.errors import IronProxyError
from iron_proxy.workers.channel import ChannelClosed
from iron_proxy.workers.messages import LeafWanted

AskForLeaf = Callable[[LeafWanted], Awaitable[SignedLeaf]]


class SharedLeaves:
    """In the place of a `LeafCache`, of the same size. `ask` is the supervisor."""

    def __init__(self, ask: AskForLeaf, size: int, alpn: tuple[str, ...]) -> None:
        self._ask = ask
        self._alpn = alpn
        self._contexts: OncePerHost[ssl.SSLContext] = OncePerHost(size, time.time, is_worn_out)

    def cached(self, host: str) -> ssl.SSLContext | None:
        """The context of a canonical host if it is here and fresh. Never waits."""
        return self._contexts.find(host)

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        """The context of a canonical host. Raises IronProxyError when no leaf is to be had."""
        return await self._contexts.get(host, admitted, lambda: self._make(LeafWanted(host, is_ip, admitted)))

    async def _make(self, wanted: LeafWanted) -> Kept[ssl.SSLContext]:
        try:
            leaf = await self._ask(wanted)
        except ChannelClosed as error:
            raise IronProxyError(f"generating cert for {wanted.host}: the supervisor is gone") from error
        return context_of(leaf, wanted.host, self._alpn)
