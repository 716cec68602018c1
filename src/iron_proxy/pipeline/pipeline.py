"""
Run the transforms in the order of the YAML, trace each, and turn their verdicts into a Permit or a refusal.

Deny is the absence of an allow: a `Permit` is made here and nowhere else (a test), and only when a transform that
decides about destinations has admitted this one. The dialer takes nothing but a Permit.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

from iron_proxy.errors import ClientError, IronProxyError, TransformError
from iron_proxy.messages.authority import DEFAULT_PORTS, Target
from iron_proxy.pipeline.exchange import Admission, Exchange, JSONValue
from iron_proxy.pipeline.scrub import run_scrubs
from iron_proxy.pipeline.transform import (
    AdmittingTransform,
    ClosableTransform,
    NameAdmittingTransform,
    ObservingTransform,
    RehearsableTransform,
    RequestTransform,
    ResponseTransform,
    Scope,
)
from iron_proxy.pipeline.verdict import CONTINUE, Continue, Reject, Stub

Traces = list[dict[str, JSONValue]]

# `rejected_by` when no transform said no, but none said yes either.
DEFAULT_DENY = "default_deny"
_NO_ADMISSION = Reject("no allowlist admits this destination", code="no_allowlist")
# With proxy.default_action: allow, and no allowlist that could say otherwise.
_ADMIT_ALL = Admission("proxy.default_action: allow")


class Permit(NamedTuple):
    """Policy's leave to connect to one destination for one exchange."""

    target: Target
    scheme: str
    admission: Admission


class Refusal(NamedTuple):
    """The pipeline stopped: by which transform, and with which verdict."""

    by: str
    verdict: Reject | Stub


class Pipeline:
    """The transforms of one configuration. Immutable; a reload builds another one."""

    def __init__(self, transforms: Sequence[RequestTransform], *, allow_by_default: bool = False) -> None:
        self._transforms = tuple(transforms)
        # Per scope: each transform's name, and its method unless it stays out (its trace then says that it let pass).
        self._runs = {
            scope: tuple((each.name, each.on_request if scope in each.scopes else None) for each in transforms)
            for scope in Scope
        }
        self._request_runs = self._runs[Scope.REQUEST]
        self._for_responses = tuple(
            (transform.name, transform) for transform in transforms if isinstance(transform, ResponseTransform)
        )
        self._admitting = tuple(transform for transform in transforms if isinstance(transform, AdmittingTransform))
        self._admits_name = tuple(map(_name_question_to, self._admitting))
        self.looks_at_responses = bool(self._for_responses)      # whether any transform has a response side
        self._allow_by_default = allow_by_default and not self._admitting

    @property
    def names(self) -> list[str]:
        """The names of the transforms in order."""
        return [transform.name for transform in self._transforms]

    @property
    def transforms(self) -> tuple[RequestTransform, ...]:
        """The transforms in order, for whoever examines a configuration."""
        return self._transforms

    @property
    def denies_everything(self) -> bool:
        """Nothing can admit a request: no allowlist, and no default of allow."""
        return not self._admitting and not self._allow_by_default

    def could_admit(self, target: Target, client: str = "") -> bool:
        """Whether some request to this destination could pass: asked before a leaf certificate is signed."""
        return self._allow_by_default or any(
            transform.admits_target(target, client) is not None for transform in self._admitting
        )

    def could_admit_name(self, host: str, client: str = "") -> bool:
        """Whether some request to this host could pass, on whatever port: asked where a name is not yet resolved."""
        for admits in self._admits_name:
            if admits(host, client):
                return True
        return self._allow_by_default

    async def run_request(self, exchange: Exchange, traces: Traces, scope: Scope = Scope.REQUEST) -> Permit | Refusal:
        """Run the request side. Raises TransformError when a transform fails."""
        started = perf_counter()
        for name, run in self._request_runs if scope is Scope.REQUEST else self._runs[scope]:
            if run is None:
                traces.append({"name": name, "action": "continue", "duration_ms": 0})
                continue
            try:
                verdict = await run(exchange)
            except BaseException as error:
                _trace_failure(traces, name, exchange, error, "request")
                raise
            ended = perf_counter()
            duration, started = int((ended - started) * 1e6) / 1e3, ended
            trace: dict[str, JSONValue] = {"name": name, "action": "continue", "duration_ms": duration}
            traces.append(trace)
            if exchange.notes:                   # `_move_notes`, without a call of its own: every request comes by
                trace["annotations"], exchange.notes = exchange.notes, {}
            if verdict is not CONTINUE and not isinstance(verdict, Continue):
                refusal = _refusal(trace, verdict, name, "request")
                self._show_refused(run, exchange, traces, scope)
                return refusal
        if exchange.admission is not None:
            return Permit(exchange.request.target, exchange.request.scheme, exchange.admission)
        return self._without_admission(exchange)

    def _without_admission(self, exchange: Exchange) -> Permit | Refusal:
        if not self._allow_by_default:
            return Refusal(DEFAULT_DENY, _NO_ADMISSION)
        return Permit(exchange.request.target, exchange.request.scheme, _ADMIT_ALL)

    def _show_refused(self, by: object, exchange: Exchange, traces: Traces, scope: Scope) -> None:
        """Show a refused request to the transforms that it did not get to; one that notes something is traced."""
        stopped_at = next(index for index, (_, run) in enumerate(self._runs[scope]) if run is by)
        for transform in self._transforms[stopped_at + 1 :]:
            if scope in transform.scopes and isinstance(transform, ObservingTransform):
                trace: dict[str, JSONValue] = {"name": transform.name, "action": "observe", "duration_ms": 0}
                try:
                    transform.on_refused(exchange)
                except BaseException as error:
                    if not isinstance(error, Exception):
                        raise
                    # The request is refused already, whatever an observer makes of it.
                    trace["action"], trace["error"] = "error", type(error).__name__
                if exchange.notes or "error" in trace:
                    traces.append(trace)
                    _move_notes(exchange, trace)

    async def run_response(self, exchange: Exchange, traces: Traces) -> Refusal | None:
        """Run the response side, in the same order, then the scrubs. None when the response may go to the client."""
        for name, transform in self._for_responses:
            started = perf_counter()
            try:
                verdict = await transform.on_response(exchange)
            except BaseException as error:
                _trace_failure(traces, name, exchange, error, "response")
                raise
            duration = int((perf_counter() - started) * 1e6) / 1e3
            trace: dict[str, JSONValue] = {"name": name, "action": "continue", "duration_ms": duration}
            traces.append(trace)
            _move_notes(exchange, trace)
            if not isinstance(verdict, Continue):
                return _refusal(trace, verdict, name, "response")
        response = exchange.response
        if response is None or not exchange.needs_scrubbing(response):
            return None
        refused = await run_scrubs(exchange.begin_scrubbing(), response, traces)
        return None if refused is None else Refusal(*refused)

    def rehearsal(self) -> "Pipeline":
        """
        The same decisions for requests that are made up (`inspection/explanation.py`): nothing is fetched or counted.

        Transforms from outside are in it as they are. It owns nothing, and is not to be closed.
        """
        transforms = [
            transform.rehearsal() if isinstance(transform, RehearsableTransform) else transform
            for transform in self._transforms
        ]
        return Pipeline(transforms, allow_by_default=self._allow_by_default)

    async def aclose(self) -> None:
        """Close what the transforms own."""
        for transform in self._transforms:
            if isinstance(transform, ClosableTransform):
                await transform.aclose()


def _name_question_to(transform: AdmittingTransform) -> Callable[[str, str], bool]:
    """What answers "is this host in any rule?" for one transform."""
    if isinstance(transform, NameAdmittingTransform):
        return transform.admits_name

    def admits_on_a_port_of_the_web(host: str, client: str) -> bool:
        ports = DEFAULT_PORTS.values()
        return any(transform.admits_target(Target(host, port), client) is not None for port in ports)

    return admits_on_a_port_of_the_web


def _refusal(trace: dict[str, JSONValue], verdict: object, name: str, phase: str) -> Refusal:
    if isinstance(verdict, Reject | Stub):
        trace["action"] = "reject" if isinstance(verdict, Reject) else "stub"
        return Refusal(name, verdict)
    trace["action"], trace["error"] = "error", "no verdict"         # somebody's transform forgot to return one
    raise TransformError(f"transform {name} {phase}: no verdict")


def _move_notes(exchange: Exchange, trace: dict[str, JSONValue]) -> None:
    """What a transform has noted belongs to its trace and to no other's."""
    if exchange.notes:
        trace["annotations"] = exchange.notes
        exchange.notes = {}


def _trace_failure(traces: Traces, name: str, exchange: Exchange, error: BaseException, phase: str) -> None:
    """
    Add the trace of a transform that raised; raise TransformError in place of what is the transform's fault.

    A cancellation is not, nor is a ClientError: the body that the transform was reading was cut short or malformed.
    """
    trace: dict[str, JSONValue] = {"name": name, "action": "error", "duration_ms": 0}
    traces.append(trace)
    _move_notes(exchange, trace)
    place = f"transform {name} {phase}"
    if isinstance(error, IronProxyError):
        trace["error"] = str(error)
        if isinstance(error, ClientError):
            return
        raise TransformError(f"{place}: {error}") from error
    trace["error"] = type(error).__name__
    if isinstance(error, Exception):           # a bug in somebody's transform fails its request, never the proxy
        raise TransformError(f"{place}: {type(error).__name__}") from error
