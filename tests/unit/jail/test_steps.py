import errno
import os

import pytest

from iron_proxy.jail.steps import FailedStep, step


def failed(name: str, error: Exception) -> FailedStep:
    with pytest.raises(FailedStep) as caught, step(name):
        raise error
    return caught.value


def test_an_error_of_the_kernel_is_told_by_number_and_place() -> None:
    failure = failed("mounts", OSError(errno.EPERM, "whatever", "/proc"))

    assert failure.message() == {
        "say": "failed",
        "step": "mounts",
        "errno": errno.EPERM,
        "text": f"{os.strerror(errno.EPERM).lower()}: /proc",
    }


def test_an_error_of_ours_is_told_by_its_kind_alone() -> None:
    assert failed("doors", ValueError("a long story")).message() == {
        "say": "failed",
        "step": "doors",
        "errno": 0,
        "text": "ValueError",
    }


def test_the_step_within_is_the_one_that_failed() -> None:
    with pytest.raises(FailedStep) as caught, step("outer"), step("inner"):
        raise OSError(errno.EIO, "")

    assert caught.value.name == "inner"
