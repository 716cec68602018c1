"""
From the root section to a `Config`: every key of the file, by block, with its default and its check.

Problems are noted, not raised, and reading goes on with the default, so that one run tells all of them. The blocks
under `transforms[].config` are handed on unread. Called by `loading.py`.
"""

from collections.abc import Mapping
from typing import cast

from iron_proxy.config import schema
from iron_proxy.config.cross_checks import check_config
from iron_proxy.config.environment import apply_environment
from iron_proxy.config.reading_audit import read_audit
from iron_proxy.config.reading_clients import read_clients
from iron_proxy.config.reading_dns import read_dns
from iron_proxy.config.reading_limits import read_limits
from iron_proxy.config.reading_proxy import read_proxy
from iron_proxy.config.reading_tls import read_tls
from iron_proxy.config.section import Section
from iron_proxy.config.value_kinds import OFF, listen_or_off

NOT_AVAILABLE = (
    "control_plane",
    "mcp",
    "mcp_gateway",
    "postgres",
)
_BLOCKS = ("dns", "proxy", "tls", "metrics", "management", "log", "audit", "process", "limits")
_LEVELS = ("debug", "info", "warn", "error")


def read_config(root: Section, environment: Mapping[str, str], *, in_session: bool = False) -> schema.Config:
    """
    Read everything; what is wrong is noted on `root.problems`, and the result is then not to be used.

    `in_session` is for `iron-proxy run`: see `cross_checks.py`.
    """
    _read_unknown_keys_setting(root)
    blocks = {name: root.section_or_empty(name) for name in _BLOCKS}
    blocks["upstream_proxy"] = blocks["proxy"].section_or_empty("upstream_proxy")
    apply_environment(blocks, environment, root.problems)
    config = schema.Config(
        dns=read_dns(blocks["dns"]),
        proxy=read_proxy(blocks["proxy"], blocks["upstream_proxy"]),
        tls=read_tls(blocks["tls"]),
        clients=read_clients(root),
        transforms=tuple(_read_transforms(root)),
        metrics=_read_metrics(blocks["metrics"]),
        management=_read_management(blocks["management"]),
        log=_read_log(blocks["log"]),
        audit=read_audit(blocks["audit"], in_session=in_session),
        process=_read_process(blocks["process"]),
        limits=read_limits(blocks["limits"]),
    )
    if root.has("upstream_tls"):
        root.problem("upstream_tls", 'unknown key at the top (it stands under "proxy": proxy.upstream_tls)')
    root.not_available(*NOT_AVAILABLE)
    root.finish()
    check_config(config, blocks, in_session=in_session)
    return config


def _read_unknown_keys_setting(root: Section) -> None:
    section = root.section_or_empty("config")
    root.problems.unknown_keys_are_errors = section.choice("unknown_keys", ("error", "warn"), "error") == "error"
    section.finish()


# --- the smaller blocks ---------------------------------------------------------------------------------------------


def _read_transforms(root: Section) -> list[schema.TransformConfig]:
    transforms = []
    for entry in root.sections("transforms"):
        name = entry.required_text("name")
        transforms.append(schema.TransformConfig(name, entry.section_or_empty("config"), entry.line))
        entry.finish()
    return transforms


def _read_metrics(section: Section) -> schema.MetricsConfig:
    config = schema.MetricsConfig(listen=listen_or_off(section, "listen", schema.DEFAULT_METRICS_LISTEN))
    section.finish()
    return config


def _read_management(section: Section) -> schema.ManagementConfig:
    in_file, in_variable = section.text("api_key_file"), section.text("api_key_env")
    if in_file and in_variable:
        section.problem("api_key_file", "stands beside api_key_env; leave one of them out")
    config = schema.ManagementConfig(
        listen=listen_or_off(section, "listen", OFF),
        api_key_env=in_variable or schema.DEFAULT_API_KEY_ENV,
        api_key_file=in_file or None,
    )
    section.finish()
    return config


def _read_log(section: Section) -> schema.LogConfig:
    level = section.text("level") or "info"
    if level not in _LEVELS:
        section.problem("level", f'unknown log level: "{level}" (write one of {", ".join(_LEVELS)})')
    audit_schema = section.choice("audit_schema", ("seed", "v0.46"), "seed")
    section.finish()
    return schema.LogConfig(cast("schema.LogLevel", level), cast("schema.AuditSchema", audit_schema))


def _read_process(section: Section) -> schema.ProcessConfig:
    """Whether there is such a user is found out where it runs (`runtime/privileges.py`)."""
    config = schema.ProcessConfig(
        user=section.text("user") or None,
        group=section.text("group") or None,
        seccomp=section.boolean("seccomp"),
    )
    if config.user in ("root", "0"):
        section.problem("user", "is root, who keeps every right; name another user, or leave it out")
    if config.group is not None and config.user is None:
        section.problem("group", "is for the user that the process becomes; set user")
    section.finish()
    return config
