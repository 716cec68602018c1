"""
What comes after the transforms of a response: taking out what a transform has put into the request.

The transform that did so leaves a `Scrubber` on the exchange. Scrubs run last, when nobody can put anything back, on
every response that came from an upstream: the final one, those before it (103), and the one that switches protocols. A
scrub that finds nothing leaves no trace.
"""

from collections.abc import Sequence
from copy import copy
from time import perf_counter
from typing import Any, Protocol

from iron_proxy.errors import IronProxyError, TransformError
from iron_proxy.messages.headers import Headers
from iron_proxy.messages.response import Response
from iron_proxy.pipeline.verdict import Reject
from iron_proxy.protocols.http1.events import ResponseHead


class LateTrace:
    """
    A trace that is written down with its first annotation: until the exchange has ended that may still come.

    What a body holds is known only once it has been sent; the audit record is emitted after that.
    """

    __slots__ = ("_traces", "trace")

    def __init__(self, name: str, traces: list[dict[str, Any]]) -> None:
        self.trace: dict[str, Any] = {"name": name, "action": "continue", "duration_ms": 0}
        self._traces = traces

    def annotate(self, key: str, value: Any) -> None:
        """Note something. Never a secret: it is written to the audit log."""
        if "annotations" not in self.trace:
            self.trace["annotations"] = {}
            self.write()
        self.trace["annotations"][key] = value

    def write(self) -> None:
        """Be among the traces, if that is not so yet."""
        if not any(trace is self.trace for trace in self._traces):
            self._traces.append(self.trace)


class Scrub(Protocol):
    """The scrubbing of one exchange. `name` is the transform's."""

    name: str

    async def scrub(self, response: Response, trace: LateTrace) -> Reject | None:
        """Change the response, its body on the way; or refuse it. Raises UpstreamError for an unreadable body."""
        ...

    def scrub_head(self, response: Response) -> None:
        """Change the reason and the fields only: of an informational response."""
        ...


class Scrubber(Protocol):
    """What a transform leaves on an exchange. One serves many of them: most responses hold nothing."""

    def finds_nothing(self, response: Response) -> bool:
        """Whether it is certain now, without waiting, that the response can go as it is."""
        ...

    def begin(self) -> Scrub:
        """The scrubbing of one exchange, where that is not so."""
        ...


async def run_scrubs(
    scrubs: Sequence[Scrub], response: Response, traces: list[dict[str, Any]]
) -> tuple[str, Reject] | None:
    """Run them; who refused the response, and how. Raises what reading its body raises, TransformError for bugs."""
    for scrub in scrubs:
        started = perf_counter()
        late = LateTrace(scrub.name, traces)
        try:
            verdict = await scrub.scrub(response, late)
        except BaseException as error:
            late.trace["action"] = "error"
            late.trace["error"] = str(error) if isinstance(error, IronProxyError) else type(error).__name__
            late.write()
            if isinstance(error, Exception) and not isinstance(error, IronProxyError):
                raise TransformError(f"transform {scrub.name} response: {type(error).__name__}") from error
            raise
        late.trace["duration_ms"] = int((perf_counter() - started) * 1e6) / 1e3
        if verdict is not None:
            late.trace["action"] = "reject"
            late.write()
            return scrub.name, verdict
    return None


def scrubbed_head(scrubs: Sequence[Scrub], head: ResponseHead) -> ResponseHead:
    """An informational response's head, fit to be passed on. Heads are shared: a changed one is another."""
    if not scrubs:
        return head
    response = Response(head.status, Headers(head.pairs), reason=head.reason)
    for scrub in scrubs:
        scrub.scrub_head(response)
    scrubbed = copy(head)
    scrubbed.pairs, scrubbed.reason = response.headers.fields, response.reason
    return scrubbed
