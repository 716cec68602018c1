"""
The configuration in force as it may be shown: every key with its value, and `***` where a value may be a secret.

Values of the proxy's own blocks are known to be harmless, but for passwords in URLs. Blocks of transforms are shown in
the words of the file: what stands under a key that sounds like a secret is masked, and of transforms that are not ours
everything is. Called by `management/api.py`.
"""

import re
from dataclasses import fields, is_dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from iron_proxy.config.addresses import ListenAddress, ResolverAddress
from iron_proxy.config.schema import Config, TransformConfig
from iron_proxy.config.section import Section
from iron_proxy.transforms.registry import BUILT_IN

MASK: Final = "***"
_SECRET_KEYS = re.compile(
    r"secret$|token|passw|passphrase|credential|api_?key|private|(?:^|_)value$|authorization|cookie|signature|^key$",
    re.IGNORECASE,
)
# Where a password may stand in what looks like a URL, whatever else is wrong with it.
_USER_INFO = re.compile(r"(^|//)[^/\s]*@")


def masked_config(config: Config) -> dict[str, Any]:
    """The configuration as JSON values, in the keys of the file; defaults included."""
    shown = {each.name: _shown(getattr(config, each.name)) for each in fields(config) if each.name != "transforms"}
    return shown | {"transforms": [_transform(each) for each in config.transforms]}


def _transform(config: TransformConfig) -> dict[str, Any]:
    plain = config.section.plain()
    if config.name in BUILT_IN and config.name != "python":
        return {"name": config.name, "config": _masked(plain, hides_all=False)}
    shown = {key: value for key, value in plain.items() if key == "class"}
    return {"name": config.name, "config": {**_masked(plain, hides_all=True), **shown}}


def _masked(value: Any, *, hides_all: bool) -> Any:
    if isinstance(value, dict):
        return {
            key: _masked(each, hides_all=hides_all or bool(_SECRET_KEYS.search(key))) for key, each in value.items()
        }
    if isinstance(value, list):
        return [_masked(each, hides_all=hides_all) for each in value]
    return MASK if hides_all else without_password(value)


def without_password(text: str) -> str:
    """A text without the user name and password of a URL in it."""
    return _USER_INFO.sub(rf"\1{MASK}@", text)


def _shown(value: Any) -> Any:
    if is_dataclass(value):
        return {
            each.name: _shown(getattr(value, each.name))
            for each in fields(value)
            if not isinstance(getattr(value, each.name), Section)
        }
    if isinstance(value, ListenAddress | ResolverAddress | IPv4Network | IPv6Network):
        return str(value)
    if isinstance(value, tuple):
        return [_shown(each) for each in value]
    return without_password(value) if isinstance(value, str) else value
