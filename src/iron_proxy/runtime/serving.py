"""One process, one loop: assemble inside it, then run to the end."""

import asyncio
import gc
import logging
import os
from collections.abc import Collection

from iron_proxy.certs.ca_files import CAFiles
from iron_proxy.config.schema import Config
from iron_proxy.errors import ConfigError, StartupError
from iron_proxy.management.key import read_key
from iron_proxy.pipeline.pipeline import Pipeline
from iron_proxy.proxy.client_identity import ClientIdentities
from iron_proxy.runtime.assemble import BuildFleet, assemble
from iron_proxy.runtime.event_loop import new_event_loop
from iron_proxy.runtime.lifecycle import Lifecycle
from iron_proxy.runtime.otel_part import build_exports, exporting
from iron_proxy.runtime.policy_reading import Origin, Source
from iron_proxy.runtime.process_log import report
from iron_proxy.runtime.start_environment import forget_secrets

_METRICS_OF_WORKERS = (
    "OTEL_METRICS_EXPORTER=otlp: not with proxy.workers, whose processes would each export the same names; "
    "scrape /metrics, which is of all of them"
)


def settle_garbage_collector() -> None:
    """
    Make collections rare: what start-up made stays for good, and an exchange leaves no cycles behind.

    The default looks around after every 700 objects more than were freed, which under load is all the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def serve_until_signal(
    config: Config,
    pipeline: Pipeline,
    ca_files: CAFiles | None,
    clients: ClientIdentities,
    origin: Origin | None = None,
    secret_variables: Collection[str] = (),
    build_fleet: BuildFleet | None = None,
) -> None:
    """
    Run the proxy. Raises StartupError when it cannot start.

    `origin` is where the configuration can be read again; without one it cannot. `secret_variables` are the names of
    those that hold secrets. With `build_fleet` others have the listeners.
    """
    source = None if origin is None else Source(origin, config, ca_files, _key_digest(config, origin))
    if config.process.seccomp:
        from iron_proxy.runtime.system_call_filter import close_system_calls

        close_system_calls()
    exports = build_exports(os.environ if origin is None else origin.environment)
    forget_secrets({*secret_variables, config.management.api_key_env})
    if build_fleet is not None and exports.metrics is not None:
        raise StartupError(_METRICS_OF_WORKERS)

    async def serve() -> None:
        settle_garbage_collector()
        is_measured = exports.metrics is not None
        assembly = assemble(config, pipeline, ca_files, clients, build_fleet, is_measured=is_measured)
        if config.process.user is not None:       # all is bound and open, and no thread of ours runs yet
            from iron_proxy.runtime.privileges import give_up_privileges

            give_up_privileges(config)
        assembly.exports = exports
        with exporting(assembly):                 # around all of it: the collector is told last
            await Lifecycle(assembly, source=source).run()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve())


def _key_digest(config: Config, origin: Origin) -> bytes:
    """Of the management API's key; b"" where there is none. Raises ConfigError."""
    if config.management.listen is None:
        return b""
    if origin.path is None:                      # parity: upstream's words
        raise ConfigError(
            ["management.listen requires --config in standalone mode; /v1/reload has no file to re-read"]
        )
    digest, warnings = read_key(config.management, origin.environment)
    for warning in warnings:
        report(logging.WARNING, warning)
    return digest
