"""
The audit log as it is written: every line to each of its outputs, linked and signed if so configured, none lost unseen.

Two modes. Relaxed: a slow reader slows the traffic down and loses nothing; what a dead one cannot be given is counted,
and told as soon as it takes lines again. Strict: who asks (`written`) learns when the lines are there, or that they
cannot be. Built by `runtime/audit_part.py`; the emitter writes into it and passes the questions on.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from iron_proxy.audit.chain import Chain
from iron_proxy.audit.envelopes import seed_envelope
from iron_proxy.audit.outlet import CLOSE_SECONDS, STALL_SECONDS, Outlet
from iron_proxy.audit.record import EventRecord, audit_event
from iron_proxy.errors import AuditUnavailable

if TYPE_CHECKING:                                 # heavy, and few sign
    from iron_proxy.audit.signing import Signer


class Branch:
    """
    One output with its own chain: what is lost in one of them is whole in the other.

    `owns`: nobody else writes there, and it is closed in the end.
    """

    def __init__(self, outlet: Outlet, chain: Chain | None = None, *, owns: bool = False) -> None:
        self.outlet = outlet
        self.chain = chain
        self.owns = owns
        self.number = 0                            # of what was put in last
        self.was_dropped = False                   # what was written last found no room
        self.lost_total = 0
        self._untold = 0

    @property
    def is_written(self) -> bool:
        """Whether everything is there that was put in."""
        return self.outlet.written >= self.number

    def write(self, lines: bytes) -> None:
        """Put lines in, or count them."""
        if self._untold and not self.outlet.is_congested:
            self.tell_losses()
        self.was_dropped = not self.outlet.has_room_for(len(lines))
        if self.was_dropped:
            count = lines.count(b"\n")
            self._untold += count
            self.lost_total += count
            return
        self._put(lines)

    def _put(self, lines: bytes) -> None:
        self.number = self.outlet.put(lines if self.chain is None else self.chain.link(lines))

    def tell_losses(self) -> None:
        """Write how many lines found no room, if any did and there is some now."""
        if self._untold and self.outlet.has_room_for(0):
            count, self._untold = self._untold, 0
            self._put(seed_envelope(loss_record(count)))


class Trail:
    """
    All outputs. `attach` it to the loop before the first record, `close` it after the last.

    `sign_interval` in seconds: how long a line may be there without a signature that covers it. `beside` are outlets of
    other lines, which begin and end with it.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        *,
        is_strict: bool = False,
        signer: "Signer | None" = None,
        sign_interval: float = 60.0,
        torn_bytes: int = 0,
        beside: Sequence[Outlet] = (),
    ) -> None:
        self.branches = tuple(branches)
        self._outlets = (*(branch.outlet for branch in branches), *beside)
        self.is_strict = is_strict
        self.refused = 0                           # how often somebody was told that nothing can be written
        self._signer, self._sign_interval = signer, sign_interval
        self._torn_bytes = torn_bytes
        self._changed: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sign_timer: asyncio.TimerHandle | None = None
        for branch in branches:
            branch.outlet.on_change = self._note_change

    # --- life -------------------------------------------------------------------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin: nothing waits for a reader from now on."""
        self._loop = loop
        for outlet in self._outlets:
            outlet.attach(loop)
        details: dict[str, Any] = {"torn_bytes": self._torn_bytes} if self._torn_bytes else {}
        if self._signer is not None:
            details["key"] = self._signer.key_id
        self._mark("start", details)

    def close(self) -> int:
        """End: write what is left, as far as the readers let us. Returns how many lines could not be written."""
        deadline = monotonic() + CLOSE_SECONDS     # for all of them together
        self._loop = None
        for outlet in self._outlets:
            outlet.detach(max(0.0, deadline - monotonic()))
        for branch in self.branches:
            branch.tell_losses()
        self._mark("stop", {})
        self._sign()
        unwritten = sum(branch.outlet.unwritten_lines for branch in self.branches)
        for branch in self.branches:
            if branch.owns:
                branch.outlet.close()
        return unwritten

    def _mark(self, action: str, details: dict[str, Any]) -> None:
        """Where a chain begins and where it ends can be seen: whoever cuts off its end takes the mark with it."""
        for branch in self.branches:
            if branch.chain is not None:
                branch.write(seed_envelope(audit_event("INFO", action, details)))

    # --- lines ------------------------------------------------------------------------------------------------------

    def write(self, lines: bytes) -> None:
        """Write whole lines everywhere, now or later. Raises nothing."""
        for branch in self.branches:
            branch.write(lines)
        if self._signer is not None and self._sign_timer is None and self._loop is not None:
            self._sign_timer = self._loop.call_later(self._sign_interval, self._sign)

    def _sign(self) -> None:
        if self._sign_timer is not None:
            self._sign_timer.cancel()
            self._sign_timer = None
        signer = self._signer
        if signer is None:
            return
        for branch in self.branches:
            chain = branch.chain
            if chain is not None:
                details = {
                    "seq": chain.number,
                    "hash": chain.head.decode("ascii"),
                    "key": signer.key_id,
                    "signature": signer.sign(chain.number, chain.head),
                }
                branch.write(seed_envelope(audit_event("INFO", "signed", details)))

    # --- waiting ----------------------------------------------------------------------------------------------------

    @property
    def must_wait(self) -> bool:
        """Whether new traffic has to ask for `room` first."""
        for branch in self.branches:  # noqa: SIM110  # any() would cost more, and it is asked for at every write
            if branch.outlet.queued and self._is_behind(branch):
                return True
        return False

    def _is_behind(self, branch: Branch) -> bool:
        return branch.outlet.is_congested or (self.is_strict and branch.outlet.is_blocked)

    async def room(self) -> None:
        """
        Wait until the outputs keep up again; not for one that has stalled.

        Raises AuditUnavailable in strict mode, when one has stalled: then nothing may happen.
        """
        while behind := [branch.outlet for branch in self.branches if self._is_behind(branch)]:
            left = min(outlet.seconds_to_stall for outlet in behind)
            if left <= 0:
                if self.is_strict:
                    raise self._refusal()
                return
            await self._change(left)

    async def written(self) -> None:
        """Wait until all that was written so far is there, everywhere. Raises AuditUnavailable when it cannot be."""
        if any(branch.was_dropped for branch in self.branches):
            raise self._refusal()
        numbers = [(branch.outlet, branch.number) for branch in self.branches]
        deadline = monotonic() + STALL_SECONDS
        while any(outlet.written < number for outlet, number in numbers):
            left = deadline - monotonic()
            if left <= 0 or any(outlet.is_stalled for outlet, _ in numbers):
                raise self._refusal()
            await self._change(left)

    async def write_for_certain(self, lines: bytes) -> None:
        """Write whole lines and wait until they are there, everywhere; nothing is given up, however long it takes."""
        while not all(branch.outlet.has_room_for(len(lines)) for branch in self.branches):
            await self._change(STALL_SECONDS)
        self.write(lines)
        numbers = [(branch.outlet, branch.number) for branch in self.branches]
        while any(outlet.written < number for outlet, number in numbers):
            await self._change(STALL_SECONDS)

    def _refusal(self) -> AuditUnavailable:
        self.refused += 1
        return AuditUnavailable("the audit log cannot be written")

    async def _change(self, seconds: float) -> None:
        """Wait for news of an output."""
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._changed)
        except TimeoutError:
            pass

    def _note_change(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)
        for branch in self.branches:
            if not branch.outlet.is_congested:
                branch.tell_losses()


def loss_record(count: int) -> EventRecord:
    """What stands in the place of records that could not be written."""
    return audit_event("ERROR", "lost", {"lost": count}, f"{count} audit records could not be written")
