"""What to say when a secret cannot stand where it should go: which source, why, and the remedy; never the value."""

from iron_proxy.errors import TransformError
from iron_proxy.secret_sources.source import Secret


def unfit_for_header(secret: Secret, name: bytes) -> TransformError:
    """A control character would end the field, or the whole message (RFC 9110 section 5.5)."""
    remedy = f" ({secret.remedy})" if secret.remedy else ""
    where = name.decode("latin-1")
    return TransformError(
        f'secret "{secret.name}" holds a control character and cannot stand in header {where}{remedy}'
    )


def unfit_for_path(secret: Secret) -> TransformError:
    """A dot segment would lead the request to another resource than policy has seen."""
    return TransformError(f'secret "{secret.name}" would make a dot segment and cannot stand in the path')
