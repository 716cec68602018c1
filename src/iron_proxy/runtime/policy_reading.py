"""
A configuration read again, with what is built of it alone: transforms, clients, and the CA's files.

Blocks on files and may take seconds for a large policy, so that `reload.py` calls it outside the loop. Asks no source
for its secret and binds nothing.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from iron_proxy.audit.otlp_settings import honours_trace_context
from iron_proxy.certs.ca_files import CAFiles, read_ca_files
from iron_proxy.config.loading import ReadFile, examine_config, read_config_file
from iron_proxy.config.problems import Problems
from iron_proxy.config.schema import Config, TLSConfig
from iron_proxy.errors import StartupError
from iron_proxy.management.control import Left
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy.client_identity import ClientIdentities, build_identities
from iron_proxy.runtime.assemble import build_pipeline
from iron_proxy.runtime.start_environment import SecretVariables
from iron_proxy.secret_sources.registry import SourceContext

# What may have become of the key since the start.
_WHY_KEPT: Mapping[type[BaseException | None], str] = {
    FileNotFoundError: "its file is gone",
    PermissionError: "its file cannot be read any more",
}


class Origin(NamedTuple):
    """Where a configuration comes from; `path` None is the environment and the defaults alone."""

    path: str | None
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """What a process began with, and where it can be read again. `key_digest` is the management API's."""

    origin: Origin
    config: Config
    ca_files: CAFiles | None
    key_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """Usable if `problems` holds no errors; to be closed in any case, by this or by the services that take it."""

    config: Config
    problems: Problems
    pipeline: Pipeline
    clients: ClientIdentities
    secret_variables: frozenset[str] = frozenset()       # those that its sources name
    text: bytes | None = None                    # of the file, where there is one

    async def aclose(self) -> None:
        """Close what was built, where nothing has taken it."""
        await self.pipeline.aclose()
        await self.clients.aclose()


def read_policy(origin: Origin, read_file: ReadFile = read_config_file) -> ReadPolicy:
    """Read and build everything. Raises ConfigError for a file that cannot be read or parsed."""
    text: bytes | None = None

    def read(path: str) -> bytes:
        nonlocal text
        text = read_file(path)
        return text

    config, problems = examine_config(origin.path, origin.environment, read)
    variables = SecretVariables(origin.environment)
    pipeline = build_pipeline(config, variables, is_traced=honours_trace_context(origin.environment))
    clients = build_identities(config.clients, SourceContext(variables))
    return ReadPolicy(config, problems, pipeline, clients, frozenset(variables.asked), text)


def read_ca_again(tls: TLSConfig, former: CAFiles | None) -> tuple[CAFiles | None, Left | None]:
    """
    The CA's files; where the key's is gone and nothing else has changed, those of before, and a word about it.

    Launchers delete the key once the proxy runs; and with `process.user` it may be root's alone, who read it at the
    start. Raises StartupError.
    """
    if tls.mode == "sni-only" or not (tls.ca_cert and tls.ca_key):
        return None, None
    try:
        return read_ca_files(tls.ca_cert, tls.ca_key), None
    except StartupError as error:
        reason = _WHY_KEPT.get(type(error.__cause__))
        if reason is None or former is None or not _only_the_key_is_out_of_reach(tls, former):
            raise
    return former, Left("tls.ca_key", f"{reason}; the CA of before stays in use")


def _only_the_key_is_out_of_reach(tls: TLSConfig, former: CAFiles) -> bool:
    """Whether nothing else is different: the paths, and the certificate as far as that can be read."""
    is_another = (tls.ca_cert, tls.ca_key) != (former.certificate_path, former.key_path)
    if is_another or os.access(former.key_path, os.R_OK):
        return False
    try:
        return Path(former.certificate_path).read_bytes() == former.certificate
    except (FileNotFoundError, PermissionError):
        return True
