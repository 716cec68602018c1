"""
The `audit:` block: where the records go, how surely, and how one can tell later that they are all there.

What goes together and what does not is checked here, as all of it is in one block. Called by `reading.py`.
"""

from typing import Final, cast

from iron_proxy.config import schema
from iron_proxy.config.section import Section
from iron_proxy.config.sizes import parse_size

# A file that is put aside with every few records is a mistake in the unit.
_SMALLEST_MAX_SIZE: Final = 64 * 1024
# Renaming them all takes a moment, in which nothing else happens.
_MOST_KEPT: Final = 1000
_OF_FILES = ("file", "max_size", "keep", "sync")


def read_audit(section: Section, *, in_session: bool = False) -> schema.AuditConfig:
    """Read the block. `in_session`: for `iron-proxy run`, which has its own ways out for records."""
    output = section.choice("output", ("stderr", "file", "both"), "stderr")
    config = schema.AuditConfig(
        output=cast("schema.AuditOutput", output),
        file=section.text("file") or None,
        max_size=_max_size(section),
        keep=_keep(section),
        mode=cast("schema.AuditMode", section.choice("mode", ("relaxed", "strict"), "relaxed")),
        sync=section.boolean("sync"),
        session_records=section.boolean("session_records"),
        chain=section.boolean("chain"),
        sign_key=section.text("sign_key") or None,
        sign_interval=section.duration("sign_interval", schema.DEFAULT_AUDIT_SIGN_INTERVAL, positive=True),
    )
    section.finish()
    _check_file(section, config)
    _check_chain(section, config)
    if in_session:
        _check_session(section, config)
    return config


def _max_size(section: Section) -> int | None:
    text = section.text("max_size")
    if not text:
        return schema.DEFAULT_AUDIT_MAX_SIZE
    if text == "unlimited":
        return None
    size = parse_size(text)
    if size is None:
        section.problem("max_size", f'must be a number of bytes, a size such as 100MiB, or unlimited; got "{text}"')
        return None
    if size < _SMALLEST_MAX_SIZE:
        section.problem("max_size", f"must be at least 64KiB; got {text}")
    return size


def _keep(section: Section) -> int:
    number = section.integer("keep", schema.DEFAULT_AUDIT_KEEP, at_least=0)
    if number > _MOST_KEPT:
        section.problem("keep", f"must be at most {_MOST_KEPT}; got {number}")
    return number


def _check_file(section: Section, config: schema.AuditConfig) -> None:
    if config.output != "stderr":
        if config.file is None:
            section.problem("file", f"is required with output: {config.output}")
        return
    for key in _OF_FILES:
        if section.has(key):
            section.problem(key, "is for a file; write output: file, or both")
            return                                 # the others have the same remedy


def _check_chain(section: Section, config: schema.AuditConfig) -> None:
    if config.sign_key is not None and not config.chain:
        section.problem("sign_key", "signs the chain; write chain: true")
    if section.has("sign_interval") and config.sign_key is None:
        section.problem("sign_interval", "is for signatures; name a sign_key")


def _check_session(section: Section, config: schema.AuditConfig) -> None:
    """None of this is done there, and a record that only seems to be safe is worse than one that is not."""
    for key, is_used in (
        ("output", config.output != "stderr"),
        ("mode", config.mode != "relaxed"),
        ("chain", config.chain),
    ):
        if is_used:
            section.problem(key, "is for the proxy that serves; a run writes its records where its flag -audit says")
