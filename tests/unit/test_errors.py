import asyncio
import errno
import gc
import inspect
import weakref

import pytest

from iron_proxy import errors
from iron_proxy.errors import BadRequest, ConfigError, IronProxyError, let_go, system_reason

EVERY_ERROR = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, IronProxyError)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.IronProxyError, 500),
        (errors.ClientError, 400),
        (errors.ClientTimeout, 408),
        (errors.UpstreamError, 502),
        (errors.UpstreamTLSError, 502),
        (errors.UpstreamTimeout, 502),
        (errors.TransformError, 502),
        (errors.SecretUnavailable, 502),
    ],
)
def test_each_error_knows_the_status_a_client_sees(kind: type[IronProxyError], status: int) -> None:
    assert kind.status == status


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_error_says_whose_fault_it_is_and_is_documented(kind: type[IronProxyError]) -> None:
    assert issubclass(kind, IronProxyError)
    assert kind.__doc__


def test_a_bad_request_carries_a_more_precise_status() -> None:
    assert BadRequest("the head is too large", 431).status == 431
    assert BadRequest("malformed host").status == 400


def test_a_config_error_holds_each_problem_and_prints_them_all() -> None:
    error = ConfigError(["a: bad", "b: worse"])

    assert error.problems == ["a: bad", "b: worse"]
    assert str(error) == "a: bad\nb: worse"


class Held:
    """What a frame holds."""


async def fail(held: Held) -> None:
    raise BadRequest(f"with {held}")


async def fail_in_a_group(held: Held) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail(held))
            await asyncio.sleep(60)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


@pytest.mark.parametrize("is_let_go", [True, False])
async def test_what_the_frames_of_an_error_hold_goes_with_it(is_let_go: bool) -> None:
    held = Held()
    gone = weakref.ref(held)
    gc.disable()
    try:
        try:
            await fail_in_a_group(held)
        except BadRequest as error:
            if is_let_go:
                let_go(error)
        del held
        await asyncio.sleep(0)

        assert (gone() is None) is is_let_go
    finally:
        gc.enable()


def test_there_may_be_no_error_to_let_go_of() -> None:
    let_go(None)


def test_what_an_error_says_stays() -> None:
    error = BadRequest("no", 417)
    error.__context__ = error.__cause__ = ValueError("x")

    let_go(error)

    assert (str(error), error.status) == ("no", 417)
    assert [error.__context__, error.__cause__] == [None, None]


@pytest.mark.parametrize(
    ("error", "reason"), [(OSError(errno.EACCES, "x"), "permission denied"), (OSError("of no number"), "success")]
)
def test_what_the_system_says_is_part_of_a_sentence(error: OSError, reason: str) -> None:
    assert system_reason(error) == reason
