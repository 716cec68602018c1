"""
A configuration with its transforms, for commands that look at one and serve nothing: `check`, `explain`.

What is wrong with it is collected as at a start; nothing is bound, and no secret is asked for.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iron_proxy.config.loading import examine_config
from iron_proxy.config.problems import Problems
from iron_proxy.config.schema import Config

if TYPE_CHECKING:                                # heavy: not for a usage error
    from iron_proxy.pipeline.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """What a start would have. The pipeline is of use only while `problems` holds no errors."""

    config: Config
    problems: Problems
    pipeline: "Pipeline"


def read_policy(path: str) -> PolicyFile:
    """Read and build everything. Raises ConfigError for a file that cannot be read or parsed."""
    from iron_proxy.audit.emitter import write_to
    from iron_proxy.proxy.client_identity import build_identities
    from iron_proxy.runtime.assemble import build_pipeline
    from iron_proxy.runtime.last_wall import LAST_WALL
    from iron_proxy.runtime.process_log import start_logging
    from iron_proxy.secret_sources.registry import SourceContext

    start_logging("error", LAST_WALL.before(write_to(2)))          # whether secrets are there is asked elsewhere
    config, problems = examine_config(path or None, os.environ)
    pipeline = build_pipeline(config, os.environ)
    build_identities(config.clients, SourceContext(os.environ))
    return PolicyFile(config, problems, pipeline)
