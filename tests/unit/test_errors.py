import inspect

import pytest

from iron_proxy import errors
from iron_proxy.errors import BadRequest, ConfigError, IronProxyError

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
