import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.reading import read_config
from iron_proxy.config.schema import AuditConfig

MINIMAL = "dns: {proxy_ip: 10.0.0.1}\ntls: {ca_cert: ca.crt, ca_key: ca.key}\n"
SIZES = "max_size: must be a number of bytes, a size such as 100MiB, or unlimited"


def read(keys: str, *, in_session: bool = False) -> tuple[AuditConfig, list[str]]:
    root = parse_config(f"{MINIMAL}audit: {{{keys}}}\n", "x")
    config = read_config(root, {}, in_session=in_session)
    return config.audit, root.problems.errors


def test_without_the_block_records_go_to_standard_error() -> None:
    assert read("") == (AuditConfig(), [])
    assert AuditConfig().output == "stderr"


def test_every_key_is_read() -> None:
    keys = (
        "output: both, file: /a.jsonl, max_size: 2MiB, keep: 3, mode: strict, sync: true, session_records: true,"
        " chain: true, sign_key: /k.pem, sign_interval: 5s"
    )

    assert read(keys) == (
        AuditConfig("both", "/a.jsonl", 2 * 1024 * 1024, 3, "strict", True, True, True, "/k.pem", 5.0),
        [],
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65536), ("64KiB", 65536), ("100MB", 100_000_000), ("1GiB", 2**30), ("2TB", 2 * 10**12),
        ("unlimited", None), ("''", 100 * 1024 * 1024),
    ],
)  # fmt: skip
def test_a_size_has_a_unit_or_is_in_bytes(text: str, size: int | None) -> None:
    config, errors = read(f"output: file, file: /a, max_size: {text}")

    assert (config.max_size, errors) == (size, [])


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("output: file, file: /a, max_size: ten", f'{SIZES}; got "ten"'),
        ("output: file, file: /a, max_size: -1", f'{SIZES}; got "-1"'),
        ("output: file, file: /a, max_size: 1KB", "max_size: must be at least 64KiB; got 1KB"),
        ("output: file, file: /a, keep: -1", "keep: must be at least 0; got -1"),
        ("output: file, file: /a, keep: 5000", "keep: must be at most 1000; got 5000"),
        ("output: nowhere", 'output: must be one of stderr, file, both; got "nowhere"'),
        ("mode: lax", 'mode: must be one of relaxed, strict; got "lax"'),
        ("output: file", "file: is required with output: file"),
        ("output: both", "file: is required with output: both"),
        ("file: /a", "file: is for a file; write output: file, or both"),
        ("sync: true", "sync: is for a file; write output: file, or both"),
        ("sign_key: /k", "sign_key: signs the chain; write chain: true"),
        ("chain: true, sign_interval: 5s", "sign_interval: is for signatures; name a sign_key"),
        ("chain: true, sign_key: /k, sign_interval: -5s", "sign_interval: must be positive; got -5s"),
        ("chian: true", 'chian: unknown key (did you mean "chain"?)'),
    ],
)  # fmt: skip
def test_what_is_wrong_or_without_effect_is_told_with_its_remedy(keys: str, error: str) -> None:
    assert read(keys)[1] == [f"x:3: audit.{error}"]


def test_a_run_takes_what_it_does_and_refuses_what_it_does_not() -> None:
    assert read("session_records: true", in_session=True)[1] == []

    _, errors = read("output: file, file: /a, mode: strict, chain: true", in_session=True)

    remedy = "is for the proxy that serves; a run writes its records where its flag -audit says"
    assert errors == [f"x:3: audit.{key}: {remedy}" for key in ("output", "mode", "chain")]
