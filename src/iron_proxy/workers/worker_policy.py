"""
A worker's policy: built of the text that the supervisor has read, and put in force when that says so.

The supervisor has looked for problems before; what is found here is of this process alone, such as a file that has
changed in between. Until `commit` nothing changes.
"""

from dataclasses import replace

from iron_proxy.audit.emitter import AuditEmitter
from iron_proxy.config.schema import Config
from iron_proxy.errors import ConfigError, IronProxyError
from iron_proxy.management.upstream_metrics import UpstreamMetrics
from iron_proxy.proxy.services import Leaves, Services
from iron_proxy.runtime.assemble import Assembly, NoLeaves, OwnListeners, alpn, build_services
from iron_proxy.runtime.capacity_part import capacity_now
from iron_proxy.runtime.own_thread import Busy, OwnThread
from iron_proxy.runtime.parts import Parts
from iron_proxy.runtime.policy_reading import Origin, ReadPolicy, read_policy
from iron_proxy.runtime.process_log import set_level
from iron_proxy.runtime.reload import READ_SECONDS
from iron_proxy.runtime.start_environment import forget_secrets
from iron_proxy.workers.messages import Policy
from iron_proxy.workers.quiet import quiet
from iron_proxy.workers.shared_leaves import AskForLeaf, SharedLeaves


def read(origin: Origin, policy: Policy) -> ReadPolicy:
    """Read and build what is of the configuration alone. Raises ConfigError."""
    text = policy.text
    found = read_policy(origin, lambda _: text or b"")
    found.problems.raise_if_any()
    forget_secrets(found.secret_variables)
    return found


def services_of(
    read: ReadPolicy,
    policy: Policy,
    audit: AuditEmitter,
    own: OwnListeners,
    ask_for_leaf: AskForLeaf,
    former: Services | None = None,
    measured: UpstreamMetrics | None = None,
) -> Services:
    """What connections share. Raises StartupError."""
    leaves: Leaves
    if former is not None and policy.keeps_leaves:
        leaves = former.leaves
    elif policy.has_ca:
        leaves = SharedLeaves(ask_for_leaf, read.config.tls.cert_cache_size, alpn(read.config))
    else:
        leaves = NoLeaves()
    services = build_services(
        read.config, read.pipeline, None, read.clients, audit, own.includes,
        former=former, leaves=leaves, upstream_metrics=measured,
    )  # fmt: skip
    services.snapshot = replace(services.snapshot, generation=policy.generation)
    return services


class WorkerPolicy:
    """The policy of a worker that serves."""

    def __init__(self, origin: Origin, assembly: Assembly, parts: Parts, ask_for_leaf: AskForLeaf) -> None:
        self._origin = origin
        self._assembly = assembly
        self._parts = parts
        self._ask_for_leaf = ask_for_leaf
        self._thread = OwnThread("policy")
        self._prepared: tuple[Config, Services] | None = None

    async def prepare(self, policy: Policy) -> list[str]:
        """Build one; what is wrong with it."""
        try:
            self._prepared = await self._thread.run(lambda: self._build(policy), READ_SECONDS)
        except ConfigError as error:
            return list(error.problems)
        except IronProxyError as error:
            return [str(error)]
        except (TimeoutError, Busy):
            return ["reading the configuration took too long"]
        return []

    def _build(self, policy: Policy) -> tuple[Config, Services]:
        former = self._assembly.services
        with quiet():
            policy_read = read(self._origin, policy)
            return policy_read.config, services_of(
                policy_read, policy, former.audit, self._assembly.own, self._ask_for_leaf, former,
                self._assembly.upstream_metrics,
            )  # fmt: skip

    def commit(self) -> None:
        """Put the prepared one in force: what begins from now on begins under it."""
        if self._prepared is None:
            raise IronProxyError("no policy is prepared")
        (config, services), self._prepared = self._prepared, None
        former = self._assembly.services
        unused = former.retire(services)
        self._assembly.services = services
        self._parts.close_when_unused(former, unused)
        set_level(config.log.level)
        self._assembly.counts.capacity = capacity_now(config.limits)       # connections that are open stay

    async def abandon(self) -> None:
        """Close the prepared one."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared[1].pool.close()
            await prepared[1].snapshot.aclose()
