"""
HTTPS and SVCB records (RFC 9460) of passthrough names, without what would lead a client where nobody can follow it.

HTTP/3 runs over UDP, and an encrypted client hello hides the name that firewalls and proxies on the way decide by. Both
are taken out; what cannot be used without them is dropped as a whole. Only `upstream_replies.py` calls this.
"""

import dns.rdata
from dns.rdtypes.svcbbase import ALPNParam, Param, ParamKey, SVCBBase

# What a client over TCP makes use of. Parameters that are not known here could say anything.
_KEPT = (
    ParamKey.MANDATORY,
    ParamKey.ALPN,
    ParamKey.NO_DEFAULT_ALPN,
    ParamKey.PORT,
    ParamKey.IPV4HINT,
    ParamKey.IPV6HINT,
)


def without_http3_and_ech(binding: dns.rdata.Rdata) -> dns.rdata.Rdata | None:
    """The record with what may be known of it, or None when nothing that may be used is left."""
    if not isinstance(binding, SVCBBase):
        return None
    params: dict[ParamKey, Param | None] = {key: value for key, value in binding.params.items() if key in _KEPT}
    alpn = params.get(ParamKey.ALPN)
    if isinstance(alpn, ALPNParam):
        over_tcp = [name for name in alpn.ids if not name.startswith((b"h3", b"hq", b"quic"))]
        if over_tcp:
            params[ParamKey.ALPN] = ALPNParam(over_tcp)  # type: ignore[no-untyped-call]  # theirs has no types
        else:
            del params[ParamKey.ALPN]  # HTTP/1.1 over TLS remains, unless the record says that it does not
    try:
        # Their constructor checks that every mandatory parameter is there, and a protocol where there is no default.
        return type(binding)(binding.rdclass, binding.rdtype, binding.priority, binding.target, params)
    except ValueError:
        return None
