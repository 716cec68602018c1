import pytest

from iron_proxy.go_compat.numbers import NumberError, parse_bool, parse_int


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_go_words_for_true_are_true(text: str) -> None:
    assert parse_bool(text) is True


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_go_words_for_false_are_false(text: str) -> None:
    assert parse_bool(text) is False


@pytest.mark.parametrize("text", ["yes", "on", "tRUE", "", " true", "2"])
def test_any_other_word_is_no_truth_value(text: str) -> None:
    with pytest.raises(NumberError) as caught:
        parse_bool(text)

    assert str(caught.value) == f'strconv.ParseBool: parsing "{text}": invalid syntax'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_decimal_texts_are_read(text: str, value: int) -> None:
    assert parse_int(text) == value


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1_0", "0x10", "1.5", "1e3", "--1", "+", "١", "1\n"],
    ids=[
        "empty",
        "blank before",
        "blank after",
        "underscore",
        "hex",
        "fraction",
        "exponent",
        "two signs",
        "a sign",
        "arabic digit",
        "newline",
    ],
)
def test_what_int_would_take_is_refused_in_decimal(text: str) -> None:
    with pytest.raises(NumberError, match="invalid syntax"):
        parse_int(text)


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "-9223372036854775809", "9" * 5000], ids=["one over", "one under", "long"]
)
def test_beyond_an_int64_is_out_of_range(text: str) -> None:
    with pytest.raises(NumberError, match="value out of range") as caught:
        parse_int(text)

    assert caught.value.reason == "value out of range"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1F", 31),
        ("-0X1f", -31),
        ("0b101", 5),
        ("0o17", 15),
        ("017", 15),
        ("1_000", 1000),
        ("0x_ff", 255),
        ("0_7", 7),
        ("0", 0),
        ("0b0", 0),
        ("0xb0b", 0xB0B),
    ],
)
def test_prefixes_and_underscores_are_read_in_base_0(text: str, value: int) -> None:
    assert parse_int(text, base=0) == value


@pytest.mark.parametrize("text", ["08", "_1", "1__0", "1_", "0x", "0x_", "0b2", "1f"])
def test_malformed_prefixed_numbers_are_refused(text: str) -> None:
    with pytest.raises(NumberError, match="invalid syntax"):
        parse_int(text, base=0)


def test_the_name_of_the_go_function_can_be_given() -> None:
    with pytest.raises(NumberError, match=r'^strconv\.Atoi: parsing "x": invalid syntax$'):
        parse_int("x", function="Atoi")
