import pytest

from iron_proxy.selftest.credentials import find_credentials, looks_real, parse_environ


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "sk-ant-api03-" + "a1" * 20),
        ("X", "ghp_" + "a1" * 18),
        ("X", "github_pat_" + "a1" * 20),
        ("X", "AKIA" + "A1" * 8),
        ("X", "npm_" + "a1" * 18),
        ("DATABASE_URL", "postgres://me:hunter2@db.internal/x"),
        ("X", "-----BEGIN PRIVATE KEY-----\nMIIB"),
        ("X", "-----BEGIN RSA PRIVATE KEY-----\nMIIB"),
        ("AWS_SECRET_ACCESS_KEY", "a1" * 20),
        ("STRIPE_API_KEY", "0123456789"),
        ("PASSWORD", "correct horse"),
    ],
)
def test_a_credential_is_known_by_its_form_or_its_name(name: str, value: str) -> None:
    assert looks_real(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/bin"),
        ("HTTPS_PROXY", "http://me:hunter2@proxy:8080"),
        ("API_KEY", ""),
        ("SSH_AUTH_SOCK", "/run/user/0/agent"),
        ("HOMEPAGE", "https://example.com/"),
    ],
)
def test_anything_else_is_none(name: str, value: str) -> None:
    assert not looks_real(name, value)


def test_a_variable_that_is_said_to_hold_a_proxy_token_is_left_out() -> None:
    environment = {"A_PASSWORD": "0123456789", "B_PASSWORD": "0123456789", "C": "x"}

    assert find_credentials(environment, frozenset({"A_PASSWORD"})) == ["B_PASSWORD"]


def test_the_environment_of_a_process_is_read_from_proc() -> None:
    assert parse_environ(b"A=1\0B=x=y\0broken\0\xff=2\0") == {"A": "1", "B": "x=y", "\ufffd": "2"}
