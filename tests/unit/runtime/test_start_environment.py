"""What is kept of the environment, and who no longer sees it. The original is overwritten in a process of its own."""

import subprocess
import sys

import pytest
from tests.fakes.namespaces import SOURCE

from iron_proxy.runtime.start_environment import SecretVariables, forget_secrets

CODE = f"""
import ctypes, os, subprocess, sys
sys.path.append({str(SOURCE)!r})
from iron_proxy.runtime.start_environment import forget_secrets, take_environment
taken = take_environment()
print(taken["SECRET"], taken["PLAIN"], os.environ["PLAIN"])
print(set(open("/proc/self/environ", "rb").read()))
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
print(getenv(b"PLAIN"), getenv(b"SECRET"))
forget_secrets(["SECRET", "", "NOT_THERE"])
print(getenv(b"PLAIN"), getenv(b"SECRET"), flush=True)
subprocess.run(["env"])
"""


def test_the_process_keeps_a_copy_and_nobody_else_sees_the_original() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", CODE], env={"SECRET": "s3cret", "PLAIN": "plain", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip

    lines = done.stdout.splitlines()
    assert lines[:4] == ["s3cret plain plain", "{0}", "b'plain' b's3cret'", "b'plain' None"]
    assert "PLAIN=plain" in lines[4:]
    assert "s3cret" not in "".join(lines[4:])


def test_passwords_of_proxies_and_tokens_for_collectors_are_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "HTTPS_PROXY": "http://u:p@proxy.test", "HTTP_PROXY": "http://proxy.test", "NO_PROXY": "a@b",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=t", "OTEL_SERVICE_NAME": "x", "KEY": "k",
    }  # fmt: skip
    monkeypatch.setattr("os.environ", environment)

    forget_secrets({"KEY"})

    assert set(environment) == {"HTTP_PROXY", "NO_PROXY", "OTEL_SERVICE_NAME"}


def test_which_variables_were_asked_for_is_noted() -> None:
    variables = SecretVariables({"A": "1", "B": "2"})

    assert (variables.get("A"), variables.get("C")) == ("1", None)
    assert variables.asked == {"A", "C"}
    assert dict(variables) == {"A": "1", "B": "2"}
    assert len(variables) == 2
