"""
Clients that read the trusted CAs when they are imported, which for a test module is before any test begins.

The variables that the guard sets come too late for those: they are given the CA besides. It cannot be taken away again,
and is worth nothing once its proxy has ended: the key is gone with it.
"""

import ssl
import sys
from pathlib import Path
from typing import Final

# A module → the name in it of the context that all its connections share.
_SHARED_CONTEXTS: Final = {"aiohttp.connector": "_SSL_CONTEXT_VERIFIED"}


def trust_in_imported_clients(ca_file: Path) -> None:
    """Add a CA to what has been imported so far. The same one twice does no harm."""
    for module, name in _SHARED_CONTEXTS.items():
        context = getattr(sys.modules.get(module), name, None)
        if isinstance(context, ssl.SSLContext):
            context.load_verify_locations(cafile=ca_file)
