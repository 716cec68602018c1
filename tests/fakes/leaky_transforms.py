"""
A user's transform that does what it should not with a secret: named in YAML, run by the proxy's own process.

It stands behind the secrets transform and takes what that put in; what it does with it is said by the field X-Fault.
"""

import asyncio
import base64
import contextlib
import logging
import threading
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, cast

from iron_proxy.config.section import Section
from iron_proxy.messages.response import plain_text
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.transform import Scope, TransformContext
from iron_proxy.pipeline.verdict import CONTINUE, Reject, Verdict

Fault = Callable[[Exchange, str], Verdict]


class _Trap:
    """Raises where nobody can catch it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __del__(self) -> None:
        raise ValueError(self._secret)


class _Quit(BaseException):
    """What `except Exception` does not catch."""


class LeakyTransform:
    """Raises, warns, logs and notes the secret. `X-Fault: response-...` does so in the response phase."""

    name = "leaky"
    scopes = frozenset((Scope.REQUEST,))
    tasks: ClassVar[set[asyncio.Task[None]]] = set()

    def __init__(self, section: Section, context: TransformContext) -> None:
        pass

    async def on_request(self, exchange: Exchange) -> Verdict:
        """The fault, unless it is for the response."""
        name = (exchange.request.headers.get(b"x-fault") or b"").decode()
        return CONTINUE if not name or name.startswith("response-") else _fault(name)(exchange, _secret(exchange))

    async def on_response(self, exchange: Exchange) -> Verdict:
        """The fault, if it is for the response."""
        name = (exchange.request.headers.get(b"x-fault") or b"").decode()
        return _fault(name[9:])(exchange, _secret(exchange)) if name.startswith("response-") else CONTINUE


def _secret(exchange: Exchange) -> str:
    return (exchange.request.headers.get(b"x-secret-env") or b"").decode()


def _fault(name: str) -> Fault:
    return (FAULTS | WRITTEN | ENDING)[name]


def _raise(kind: type[BaseException]) -> Fault:
    def fault(exchange: Exchange, secret: str) -> Verdict:
        raise kind(f"cannot use {secret}")

    return fault


def _raise_from_another(exchange: Exchange, secret: str) -> Verdict:
    try:
        int(secret)
    except ValueError as error:
        error.add_note(f"it was {secret}")
        raise RuntimeError(secret) from error
    return CONTINUE


def _raise_a_group(exchange: Exchange, secret: str) -> Verdict:
    raise ExceptionGroup(secret, [ValueError(secret), KeyError(secret)])


def _warn(exchange: Exchange, secret: str) -> Verdict:
    warnings.warn(f"odd key {secret}", stacklevel=1)
    return CONTINUE


def _fail_in_a_thread(exchange: Exchange, secret: str) -> Verdict:
    def fail() -> None:
        raise ValueError(secret)

    thread = threading.Thread(target=fail, name="leaky")
    thread.start()
    thread.join()
    return CONTINUE


def _fail_in_a_task(exchange: Exchange, secret: str) -> Verdict:
    async def fail() -> None:
        raise ValueError(secret)

    LeakyTransform.tasks.add(asyncio.get_running_loop().create_task(fail(), name=secret))
    return CONTINUE


def _fail_in_a_callback(exchange: Exchange, secret: str) -> Verdict:
    def fail(text: str) -> None:
        raise ValueError(text)

    asyncio.get_running_loop().call_soon(fail, secret)
    return CONTINUE


def _forget_to_await(exchange: Exchange, secret: str) -> Verdict:
    async def forgotten(text: str) -> None:
        pass

    coroutine: Any = forgotten(secret)
    coroutine.__qualname__ = f"forgotten_{secret}"  # the warning says it
    del coroutine
    return CONTINUE


def _fail_in_a_destructor(exchange: Exchange, secret: str) -> Verdict:
    _Trap(secret)
    return CONTINUE


def _fail_when_closed(exchange: Exchange, secret: str) -> Verdict:
    async def wait() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            raise ValueError(secret)

    coroutine = wait()
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
    del coroutine
    return CONTINUE


def _log_elsewhere(exchange: Exchange, secret: str) -> Verdict:
    logging.getLogger("somebody.else").critical("key %s", secret)
    logging.getLogger().error("key %s", secret)
    return CONTINUE


def _log_badly(exchange: Exchange, secret: str) -> Verdict:
    logging.getLogger("iron_proxy.leaky").error("key %d", secret)
    return CONTINUE


def _forget_the_verdict(exchange: Exchange, secret: str) -> Verdict:
    return cast(Verdict, secret)


# What no code of the proxy writes, whoever raised it.
FAULTS: dict[str, Fault] = {
    "value-error": _raise(ValueError),
    "key-error": _raise(KeyError),
    "cause": _raise_from_another,
    "group": _raise_a_group,
    "cancelled": _raise(asyncio.CancelledError),
    "stop-iteration": _raise(StopIteration),
    "no-verdict": _forget_the_verdict,
    "warning": _warn,
    "thread": _fail_in_a_thread,
    "task": _fail_in_a_task,
    "callback": _fail_in_a_callback,
    "not-awaited": _forget_to_await,
    "destructor": _fail_in_a_destructor,
    "closed": _fail_when_closed,
    "other-loggers": _log_elsewhere,
    "bad-log-call": _log_badly,
}


def _log(exchange: Exchange, text: str) -> Verdict:
    logging.getLogger("iron_proxy.leaky").warning("key %s", text)
    return CONTINUE


def _log_field(exchange: Exchange, secret: str) -> Verdict:
    logging.getLogger("iron_proxy.leaky").warning("a key", extra={"fields": {"key": [secret], secret: 1}})
    return CONTINUE


def _annotate(exchange: Exchange, secret: str) -> Verdict:
    exchange.annotate("key", {"value": secret, "list": [secret]})
    return CONTINUE


def _log_in_base64(exchange: Exchange, secret: str) -> Verdict:
    return _log(exchange, base64.b64encode(secret.encode()).decode())


def _reject(exchange: Exchange, secret: str) -> Verdict:
    return Reject(f"the key is {secret}", plain_text(403, "no"))


# What a user's code writes by the doors that are meant for writing: only the last wall stands before the log.
WRITTEN: dict[str, Fault] = {
    "log": _log,
    "log-in-base64": _log_in_base64,
    "log-field": _log_field,
    "annotation": _annotate,
    "reason": _reject,
}

# What `except Exception` does not catch.
ENDING: dict[str, Fault] = {"system-exit": _raise(SystemExit), "of-its-own": _raise(_Quit)}
