"""
The TLS contexts of recently seen hosts: found at once, or signed and built once per host.

Who signs is `leaf_signer.py`, and what is kept for how long is `once_per_host.py`'s business.
"""

import ssl
import time
from collections.abc import Callable, Sequence

from iron_proxy.certs.authority import CertificateAuthority
from iron_proxy.certs.leaf_signer import LeafSigner, context_of
from iron_proxy.certs.once_per_host import Kept, OncePerHost
from iron_proxy.certs.server_contexts import is_worn_out


class LeafCache:
    """
    One TLS context per host, least recently used out first.

    `size` counts admitted hosts; a negative one is no limit. `clock` gives Unix time in seconds. Raises StartupError
    when OpenSSL does not accept the CA's certificates.
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        size: int,
        lifetime_hours: int,
        *,
        clock: Callable[[], float] = time.time,
        alpn: Sequence[str] = ("http/1.1",),
    ) -> None:
        self._signer = LeafSigner(authority, lifetime_hours, clock)
        self._alpn = tuple(alpn)
        self._contexts: OncePerHost[ssl.SSLContext] = OncePerHost(size, clock, is_worn_out)

    def __len__(self) -> int:
        return len(self._contexts)

    @property
    def signed(self) -> int:
        """Leaves made for clients, for metrics."""
        return self._signer.signed

    def cached(self, host: str) -> ssl.SSLContext | None:
        """The context of a canonical host if it is here and fresh. Never waits."""
        return self._contexts.find(host)

    async def context_for(self, host: str, is_ip: bool, admitted: bool) -> ssl.SSLContext:
        """
        The context of a canonical host, signed and built if need be; once, however many ask at a time.

        Raises IronProxyError when the CA cannot sign any more.
        """
        return await self._contexts.get(
            host, admitted, lambda: self._signer.signing(lambda: self._make(host, is_ip))
        )

    def _make(self, host: str, is_ip: bool) -> Kept[ssl.SSLContext]:
        return context_of(self._signer.sign(host, is_ip), host, self._alpn)
