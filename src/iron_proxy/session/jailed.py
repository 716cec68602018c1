"""
A program in a jail, from the plan to its end: `run_jailed` is the whole of it.

The jail is made while what serves is being imported; the program begins when it is served, and everything ends with it.
Called by `cli/run.py`, in the main thread: signals and the terminal are its business.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Final

from iron_proxy.jail.launch import Jail
from iron_proxy.jail.plan import OWN_FOLDER, JailPlan
from iron_proxy.jail.refused import Refusal
from iron_proxy.jail.terminal import TerminalLink
from iron_proxy.jail.trust import trust_targets
from iron_proxy.session.certificates import BUNDLE
from iron_proxy.session.doors import RESOLV_CONF, doors_for
from iron_proxy.session.preparation import Preparation
from iron_proxy.session.records import Records
from iron_proxy.session.summary import Ending

if TYPE_CHECKING:
    from iron_proxy.runtime.assemble import Assembly

_RESOLV_CONF_PATH: Final = "/etc/resolv.conf"
_SERVING: Final = "iron_proxy.session.serving"


async def run_jailed(preparation: Preparation, records: Records) -> Ending:
    """Run the program. Raises JailUnavailable, before anything is started, and StartupError."""
    plan = await plan_for(preparation, records)
    jail, _ = await asyncio.gather(Jail.open(plan), asyncio.to_thread(import_module, _SERVING))
    from iron_proxy.session import serving

    for path in jail.not_shown:
        records.note(f"{path}: there is no place for it inside")
    async with jail:
        assembly = serving.assemble_behind(jail.doors, preparation, records.emitter(preparation.config.log))
        sees_refusals = jail.refused.is_visible
        started = monotonic()
        async with served(assembly):
            serving.settle_garbage_collector()
            status = await _run_program(jail, assembly)
    return Ending(
        status,
        monotonic() - started,
        jail.failure,
        dict(jail.refused.counts) if sees_refusals else None,
        jail.refused.unnamed,
        tuple(records.notes),
        tuple(records.warnings.sentences),
    )


async def plan_for(preparation: Preparation, records: Records) -> JailPlan:
    """The plan of the jail. Raises ConfigError."""
    environment, notes = await preparation.program_environment(OWN_FOLDER)
    records.note(*notes)
    files = {f"{OWN_FOLDER}/{name}": content for name, content in preparation.trust.items()}
    if preparation.trust:
        # For programs that read no variable.
        files |= dict.fromkeys(trust_targets(), preparation.trust[BUNDLE])
    order = preparation.order
    return JailPlan(
        order.command,
        environment,
        doors_for(preparation.config, preparation.ports),
        files | {_RESOLV_CONF_PATH: RESOLV_CONF},
        preparation.hidden,
        order.binds,
        order.limits,
    )


@asynccontextmanager
async def served(assembly: "Assembly") -> AsyncIterator[None]:
    """Serve while the body runs, then drain. What makes the proxy end is raised in the body's place."""
    from iron_proxy.runtime.lifecycle import Lifecycle

    lifecycle = Lifecycle(assembly, takes_signals=False)
    try:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(lifecycle.run(), name="proxy")
            await lifecycle.serving.wait()
            try:
                yield
            finally:
                lifecycle.request_stop()
    except BaseExceptionGroup as failures:
        failure: BaseException = failures
        while isinstance(failure, BaseExceptionGroup):  # the proxy is a group of its own
            failure = failure.exceptions[0]
        raise failure from None


async def _run_program(jail: Jail, assembly: "Assembly") -> int:
    """Its exit status. When this returns, everything inside has ended, and all refusals are told."""
    from iron_proxy.session.serving import refusal_record

    audit = assembly.services.audit

    def tell(refusal: Refusal) -> None:
        audit.emit(refusal_record(refusal))

    jail.refused.on_first = tell
    try:
        with TerminalLink(jail):
            await jail.start()
            return await jail.wait()
    finally:
        await jail.close()
        for refusal, count in jail.refused.counts.items():
            if count > 1:
                audit.emit(refusal_record(refusal, count))
