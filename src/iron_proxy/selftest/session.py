"""
A selftest from its first request to its last: ask the canary who it is, try all cases, ask it what arrived, judge.

The cases wait more than they work, and what is dropped is waited for the longest: they run side by side in threads.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from time import monotonic
from typing import Final

import msgspec

from iron_proxy.selftest.arrivals import Arrival, Canary, fingerprint
from iron_proxy.selftest.case import Case, Need, missing
from iron_proxy.selftest.findings import Finding, Findings, Verdict, judge
from iron_proxy.selftest.place import Endpoint, Place
from iron_proxy.selftest.routes import ask, tunnel
from iron_proxy.selftest.trial import Trial
from iron_proxy.selftest.wire import start_tls, status_of

# More would be a flood that a proxy's own limits answer, which is not what is tested.
_AT_ONCE: Final = 8


class ControlFailed(Exception):
    """The allowed canary does not answer: whatever is refused then proves nothing. The message says what was seen."""


def run_selftest(place: Place, cases: Sequence[Case], checkpoint: Callable[[], None]) -> Findings:
    """Try the cases. `checkpoint` is called now and then, and may raise to end it."""
    start = monotonic()
    if place.allowed is not None:
        try:
            place = _with_canary(place, place.allowed)
        except ControlFailed as failure:
            untested = tuple(Finding(case, Verdict.NOT_TESTED, (str(failure),)) for case in cases)
            return Findings(place, str(failure), untested, monotonic() - start)
    trials = _try_all(place, cases, checkpoint)
    listed = _list_arrivals(place) if place.allowed is not None else []
    findings = tuple(_judge(place, case, trials.get(case.name), listed) for case in cases)
    return Findings(place, "", findings, monotonic() - start)


def _with_canary(place: Place, allowed: Endpoint) -> Place:
    canary = msgspec.json.decode(_page(place, allowed, "hello"), type=Canary)
    return place.with_canary(canary, passes_tls=_certificate_seen(place, allowed) == canary.certificate)


def _page(place: Place, allowed: Endpoint, name: str) -> bytes:
    """A page of the canary. Raises ControlFailed."""
    try:
        answer = ask(place, allowed, f"/selftest/{name}".encode())
    except OSError as error:
        raise ControlFailed(f"{allowed}, which should be allowed, cannot be reached: {error}") from None
    body = answer.partition(b"\r\n\r\n")[2]
    if status_of(answer) != 200 or body[:1] not in (b"{", b"["):
        seen = status_of(answer) or "no HTTP answer"
        raise ControlFailed(f"{allowed} is no canary that may be reached from here: got {seen}")
    return body


def _certificate_seen(place: Place, allowed: Endpoint) -> str:
    if allowed.scheme != "https":
        return ""
    with tunnel(place, allowed.host, allowed.port) as sock, start_tls(sock, allowed.host) as tls:
        return fingerprint(tls.getpeercert(binary_form=True) or b"")


def _try_all(place: Place, cases: Sequence[Case], checkpoint: Callable[[], None]) -> dict[str, Trial]:
    trials: dict[str, Trial] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        under_way: list[Future[None]] = []
        for case in cases:
            if not any(missing(need, place) for need in case.needs):
                trials[case.name] = Trial(place, case.name)
                under_way.append(pool.submit(_try, case, trials[case.name]))
        try:
            for future in under_way:
                future.result()
                checkpoint()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return trials


def _try(case: Case, trial: Trial) -> None:
    try:
        case.attempt(trial.place, trial)
    except Exception as error:  # noqa: BLE001 - a defect of one case must not cost the verdicts of all; it is told
        trial.cannot(f"the case itself failed with {type(error).__name__}: {error}")


def _list_arrivals(place: Place) -> list[Arrival]:
    if place.allowed is None:
        return []
    Event().wait(place.settling)
    return msgspec.json.decode(_page(place, place.allowed, f"arrivals/{place.run}"), type=list[Arrival])


def _judge(place: Place, case: Case, trial: Trial | None, listed: Sequence[Arrival]) -> Finding:
    if trial is None:
        needs = "; ".join(need.value for need in Need if need in case.needs and missing(need, place))
        return Finding(case, Verdict.NOT_TESTED, (f"needs {needs}",))
    return judge(case, trial, listed)
