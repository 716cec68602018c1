"""The `file` source."""

import asyncio
import base64
import os
from pathlib import Path

import pytest

from iron_proxy.errors import SecretUnavailable
from iron_proxy.secret_sources import file as file_module
from iron_proxy.secret_sources.file import FileSource


async def test_the_exact_bytes_are_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"token-with-newline\xff\n")

    secret = await FileSource(str(path)).get()

    assert secret.name == str(path)
    assert secret.reveal().encode("utf-8", "surrogateescape") == b"token-with-newline\xff\n"


@pytest.mark.parametrize(
    ("content", "value"),
    [("key\n", "key"), ("key\r\n", "key"), ("key\n\n", "key"), ("a\nb\n", "a\nb"), (" key ", " key "), ("key", "key")],
    ids=["LF", "CRLF", "two", "inner newline stays", "spaces stay", "none"],
)
async def test_trim_takes_newlines_off_the_end(tmp_path: Path, content: str, value: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content.encode())

    secret = await FileSource(str(path), trim=True).get()

    assert (secret.reveal(), secret.remedy) == (value, "")


async def test_a_value_that_ends_in_a_newline_carries_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("canary\n")

    remedy = (await FileSource(str(path)).get()).remedy

    assert "the file ends in a newline" in remedy
    assert "trim: true" in remedy
    assert "canary" not in remedy


async def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "gone"

    with pytest.raises(SecretUnavailable) as failure:
        await FileSource(str(path)).get()

    assert str(failure.value) == f'reading secret file "{path}": No such file or directory'


@pytest.mark.parametrize(("content", "trim"), [("", False), ("\n", True)], ids=["no bytes", "only a trimmed newline"])
async def test_an_empty_file_is_unavailable(tmp_path: Path, content: str, trim: bool) -> None:
    path = tmp_path / "empty"
    path.write_text(content)

    with pytest.raises(SecretUnavailable, match=f'secret file "{path}" is empty'):
        await FileSource(str(path), trim=trim).get()


async def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    with pytest.raises(SecretUnavailable, match="not a regular file"):
        await FileSource(str(path)).get()


async def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge"
    path.write_text("x" * 11)
    monkeypatch.setattr(file_module, "MAX_FILE_BYTES", 10)

    with pytest.raises(SecretUnavailable, match="larger than 10 bytes"):
        await FileSource(str(path)).get()


async def test_a_path_with_a_nul_is_unavailable() -> None:
    with pytest.raises(SecretUnavailable, match="ValueError"):
        await FileSource("a\0b").get()


async def test_a_replaced_file_is_seen_after_its_ttl(tmp_path: Path) -> None:
    now = 0.0
    path, new = tmp_path / "key", tmp_path / "new"
    path.write_text("one")
    source = FileSource(str(path), ttl=60, clock=lambda: now)
    texts = [(await source.get()).reveal()]

    new.write_text("two")
    new.replace(path)
    texts.append((await source.get()).reveal())
    now = 60.0
    texts.append((await source.get()).reveal())
    assert source._value._refreshing is not None
    await source._value._refreshing
    texts.append((await source.get()).reveal())

    assert texts == ["one", "one", "one", "two"]
    assert source.fetched_at == 60.0
    await source.aclose()


async def test_reading_leaves_the_event_loop_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text("value")
    threads: list[str] = []
    to_thread = asyncio.to_thread

    async def noted(function: object, *arguments: object) -> object:
        threads.append(getattr(function, "__name__", ""))
        return await to_thread(function, *arguments)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(asyncio, "to_thread", noted)

    await FileSource(str(path)).get()

    assert threads == ["_read"]


async def test_a_content_is_current_until_its_ttl_has_passed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("value")
    now = 0.0
    source = FileSource(str(path), ttl=10, clock=lambda: now)
    assert source.current is None

    secret = await source.get()

    assert source.current is secret
    now = 11.0
    assert source.current is None


# --- base64 ---------------------------------------------------------------------------------------------------------

WRAPPED = base64.encodebytes(bytes(range(1, 100)))


@pytest.mark.parametrize(
    ("content", "trim", "value"),
    [
        (b"c2stcmVhbA==", False, b"sk-real"),
        (b"c2stcmVhbA==\n", False, b"sk-real"),
        (b"c2st\r\ncmVhbA==\r\n", False, b"sk-real"),
        (WRAPPED, False, bytes(range(1, 100))),
        (b"c2stcmVhbAo=", False, b"sk-real\n"),
        (b"c2stcmVhbAo=", True, b"sk-real"),
    ],
    ids=["plain", "with a newline", "wrapped, CRLF", "as programs wrap it", "encoded with its newline", "and trimmed"],
)
async def test_base64_is_decoded(tmp_path: Path, content: bytes, trim: bool, value: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    secret = await FileSource(str(path), trim=trim, is_base64=True).get()

    assert secret.reveal().encode("utf-8", "surrogateescape") == value
    assert bool(secret.remedy) == value.endswith(b"\n")


@pytest.mark.parametrize(
    "content",
    [
        b"sk-canary", b"c2stcmVhbA", b"c2stcmVhbA=", b"c2stcmVhbB==", b"c2st cmVhbA==", b"c2stcm-_bA==", b"\xff\xfe",
        b"====",
    ],
    ids=["not at all", "no padding", "half of it", "spare bits", "a blank", "the URL's alphabet", "bytes", "padding"],
)  # fmt: skip
async def test_what_is_not_base64_is_told_without_the_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(SecretUnavailable) as failure:
        await FileSource(str(path), is_base64=True).get()

    assert str(failure.value).startswith(f'secret file "{path}" does not hold base64 in the standard alphabet')
    assert "canary" not in str(failure.value)
    assert "c2st" not in str(failure.value)


@pytest.mark.parametrize("content", [b"", b"\n"], ids=["nothing", "a newline"])
async def test_base64_of_nothing_is_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(SecretUnavailable, match="is empty"):
        await FileSource(str(path), is_base64=True).get()


async def test_a_file_that_was_read_again_and_has_not_changed_is_the_same_secret(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("value")
    source = FileSource(str(path), ttl=-1)
    first = await source.get()

    os.utime(path, (1, 1_000_000))
    second = await source.get()
    path.write_text("other")
    third = await source.get()

    assert second is first
    assert second.changed_at == 1_000_000
    assert third.reveal() == "other"


async def test_the_secret_tells_when_the_file_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("value")
    os.utime(path, (1, 1_000_000))

    assert (await FileSource(str(path)).get()).changed_at == 1_000_000
