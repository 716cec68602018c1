"""What takes a secret's place, and how the upstream is asked for an answer that can be read."""

import pytest
from tests.unit.transforms.secrets.scrubbing_cases import NAME, REAL, TOKEN, entry_of, injecting, redactor_of, secret_of

from iron_proxy.messages.headers import Fields, Headers
from iron_proxy.transforms.secrets.redact import (
    Redactor,
    SpelledSecret,
    ask_for_readable,
    gap_of,
    readable,
    stand_in_for,
)


@pytest.mark.parametrize(
    ("entry", "stand_in"),
    [
        (entry_of(), TOKEN),
        (injecting(), b"[redacted:OPENAI_API_KEY]"),
        (injecting("/run/secrets/key 1\"<>&\r\nX"), b"[redacted:/run/secrets/key_1______X]"),
        (entry_of(label="my key", token=b"two\r\nlines"), b"[redacted:my_key]"),
        (entry_of(token=b"proxy-" + REAL), b"[redacted:OPENAI_API_KEY]"),
        (entry_of(token=REAL, label=REAL.decode()), b"[redacted:sk-real-openai-key/__]"),
    ],
    ids=["token", "inject", "odd-name", "unfit-token", "token-with-the-secret", "name-is-secret"],
)  # fmt: skip
def test_what_takes_the_secrets_place(entry: object, stand_in: bytes) -> None:
    assert stand_in_for(entry, REAL) == stand_in  # type: ignore[arg-type]  # parametrize knows no types


def test_nothing_holds_the_secret_that_takes_its_place() -> None:
    assert stand_in_for(entry_of("redacted", b"redacted"), b"redacted") == b"***"


def test_the_text_itself_is_replaced_by_the_token() -> None:
    replacement = redactor_of().natural.stream()

    assert replacement.whole(b"key=" + REAL + b"!") == b"key=" + TOKEN + b"!"


def test_in_place_a_replacement_is_as_long() -> None:
    replacement = redactor_of().in_place.stream()

    assert replacement.whole(b"key=" + REAL + b"!") == b"key=" + TOKEN.ljust(len(REAL), b"*") + b"!"


def test_a_needle_tells_whose_it_is() -> None:
    secrets = {"A": secret_of(b"first-secret"), "B": secret_of(b"other-secret")}
    redactor = Redactor(SpelledSecret(entry_of(name), secret) for name, secret in secrets.items())

    assert redactor.names[b"first-secret"] == "A"
    assert redactor.names[b"other-secret"] == "B"
    assert redactor.in_place.replacements.keys() <= redactor.names.keys()


def test_of_two_entries_with_one_value_the_first_is_named() -> None:
    entries = [entry_of("A", b"token-of-a"), entry_of("B", b"token-of-b")]
    redactor = Redactor(SpelledSecret(entry, secret_of()) for entry in entries)

    assert redactor.names[REAL] == "A"
    assert redactor.natural.stream().whole(REAL) == b"token-of-a"


def test_a_secret_that_is_too_short_is_not_looked_for() -> None:
    redactor = redactor_of(value=b"abc")

    assert redactor.shortest == 0
    assert redactor.natural.first_match(b"abc abc") is None


def test_the_redactor_does_not_show_secrets() -> None:
    assert repr(redactor_of()) == "<Redactor of ['OPENAI_API_KEY']>"


@pytest.mark.parametrize(("value", "has_gap"), [(b"abc", True), (b"abcdef", True), (REAL, False), (TOKEN, True)])
def test_a_gap_is_known(value: bytes, has_gap: bool) -> None:
    assert (gap_of(entry_of(), secret_of(value)) is not None) == has_gap


def test_the_upstream_is_asked_for_identity_where_the_client_takes_codings() -> None:
    names = [b"accept-Encoding", b"grpc-accept-encoding", b"Connect-Accept-Encoding"]
    headers = Headers(Fields([*((name, b"gzip, br") for name in names), (b"A", b"b")]))

    ask_for_readable(headers)

    assert [*headers] == [*((name, b"identity") for name in names), (b"A", b"b")]


def test_the_upstream_is_asked_for_all_and_in_no_other_form() -> None:
    asks = [b"Range", b"If-Range", b"X-MS-Range", b"A-IM", b"Accept-Charset"]
    headers = Headers(Fields([*((name, b"bytes=0-5") for name in asks), (b"A", b"b")]))

    ask_for_readable(headers)

    assert [*headers] == [(b"A", b"b")]


def test_what_is_readable_already_stays_the_same_object() -> None:
    fields = Fields([(b"A", b"b"), (b"Accept-Encoding", b"identity")])
    headers = Headers(fields)

    ask_for_readable(headers)

    assert headers.fields is fields
    assert readable([*fields]) == [*fields]


@pytest.mark.parametrize("same_length", [False, True])
def test_a_secret_of_several_lines_is_found_in_an_event(same_length: bool) -> None:
    redactor = redactor_of(value=b"-----BEGIN\nline one\nline two\n")
    replacement = (redactor.in_place if same_length else redactor.natural).stream()
    text = b"data: -----BEGIN\ndata: line one\ndata: line two\n\n"

    scrubbed = replacement.whole(text)

    assert b"line" not in scrubbed
    assert scrubbed.startswith(b"data: " + TOKEN)
    assert (len(scrubbed) == len(text)) == same_length


@pytest.mark.parametrize(
    ("name", "owner"),
    [(b"X-sk-real-key-1", NAME), (b"x-SK-REAL-KEY-1", NAME), (b"X-Echo", None), (b"Long-But-Clean-Name", None)],
)
def test_a_secret_in_the_name_of_a_field_is_found(name: bytes, owner: str | None) -> None:
    assert redactor_of(value=b"Sk-Real-Key-1").owner_in(name) == owner


KEY_LINES = [b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ+/%03d" % number + b"x" * 8 for number in range(4)]
KEY_FILE = b"\n".join([b"-----BEGIN PRIVATE KEY-----", *KEY_LINES, b"AQAB", b"-----END PRIVATE KEY-----", b""])
MANGLED = {
    "CRLF": KEY_FILE.replace(b"\n", b"\r\n"),
    "YAML": b"key: |\n" + b"".join(b"    " + line + b"\n" for line in KEY_FILE.splitlines()),
    "a mail": b"".join(b"> " + line + b"\n" for line in KEY_FILE.splitlines()),
    "one line": KEY_FILE.replace(b"\n", b" "),
    "HTML": KEY_FILE.replace(b"\n", b"<br>\n"),
    "a form": KEY_FILE.replace(b"\n", b"%0D%0A").replace(b"+", b"%2B").replace(b"/", b"%2F"),
    "one of its lines": KEY_LINES[2],
}


@pytest.mark.parametrize("same_length", [False, True])
@pytest.mark.parametrize("text", MANGLED.values(), ids=MANGLED)
def test_a_key_file_is_found_however_its_lines_are_laid_out(text: bytes, same_length: bool) -> None:
    redactor = redactor_of(value=KEY_FILE)
    replacement = (redactor.in_place if same_length else redactor.natural).stream()

    scrubbed = replacement.whole(b"<" + text + b">")

    assert not any(line[:40] in scrubbed for line in KEY_LINES)
    assert b"*" * 40 in scrubbed
    assert (scrubbed[:1], scrubbed[-1:], len(scrubbed)) == (b"<", b">", len(text) + 2)


def test_a_whole_key_file_becomes_its_token() -> None:
    assert redactor_of(value=KEY_FILE).natural.stream().whole(b"key=" + KEY_FILE) == b"key=" + TOKEN + b"\n"


def test_the_lines_of_other_documents_are_no_secrets() -> None:
    document = b'{\n  "type": "service_account",\n  "auth_uri": "https://accounts.google.com/o/oauth2/auth"\n}'

    redactor = redactor_of(value=document)

    assert redactor.natural.first_match(b'  "auth_uri": "https://accounts.google.com/o/oauth2/auth"') is None
