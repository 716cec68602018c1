from collections.abc import Callable

import pytest

from iron_proxy.config.loading import parse_config
from iron_proxy.config.section import Section


def section_of(text: str) -> Section:
    return parse_config(text, "x")


# --- scalars --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("53", "53"),
        ("no", "no"),
        ("0123", "0123"),
        ("1e3", "1e3"),
        ("2024-01-01", "2024-01-01"),
        ("'a'", "a"),
        ("true", "true"),
        ("|\n  a\n", "a\n"),
        ("'null'", "null"),
        ('"~"', "~"),
    ],
)
def test_a_text_is_the_raw_text_of_any_scalar(yaml: str, text: str) -> None:
    assert section_of(f"key: {yaml}").text("key", "default") == text


@pytest.mark.parametrize("yaml", ["", "~", "null", "Null", "NULL"])
def test_null_counts_as_absent(yaml: str) -> None:
    section = section_of(f"key: {yaml}")

    assert not section.has("key")
    assert section.text("key", "default") == "default"
    assert section.integer("key", 7) == 7
    assert section.boolean("key", True) is True
    assert section.sections("key") == []
    assert section.section("key") is None


@pytest.mark.parametrize(
    ("yaml", "number"),
    [
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("0b11", 3),
        ("1_000", 1000),
        ("1.9", 1),
        ("-1.9", -1),
        ("1e3", 1000),
        (".5", 0),
        ("08", 8),
        ("9223372036854775807", 2**63 - 1),
        ("0b0", 0),
    ],
)
def test_an_integer_has_the_spellings_of_yaml_1_1(yaml: str, number: int) -> None:
    section = section_of(f"key: {yaml}")

    assert section.integer("key", 99) == number
    assert section.problems.errors == []


@pytest.mark.parametrize(
    "yaml",
    [
        "x",
        "'7'",
        '"7"',
        "0x",
        "0x_",
        "0b2",
        "0o8",
        "1:30",
        "_1",
        "[7]",
        "{a: 7}",
        "''",
        "٧",
        ".inf",
        ".nan",
        "9" * 5000,
    ],
)
def test_what_is_no_integer_is_noted_and_the_default_returned(yaml: str) -> None:
    section = section_of(f"key: {yaml}")

    assert section.integer("key", 99) == 99
    assert section.problems.errors == ["x:1: key: must be a whole number"]


@pytest.mark.parametrize("yaml", ["9223372036854775808", "-9223372036854775809", "1e999", "-1e999"])
def test_an_integer_beyond_64_bits_is_too_large(yaml: str) -> None:
    section = section_of(f"key: {yaml}")

    assert section.integer("key", 99) == 99
    assert section.problems.errors == ["x:1: key: is too large"]


def test_an_integer_may_have_a_lower_bound() -> None:
    section = section_of("key: 0")

    assert section.integer("key", 5, at_least=1) == 5
    assert section.problems.errors == ["x:1: key: must be at least 1; got 0"]


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("true", True),
        ("True", True),
        ("yes", True),
        ("on", True),
        ("y", True),
        ("false", False),
        ("NO", False),
        ("off", False),
        ("n", False),
    ],
)
def test_a_boolean_has_the_words_of_yaml_1_1(yaml: str, value: bool) -> None:
    assert section_of(f"key: {yaml}").boolean("key", not value) is value


@pytest.mark.parametrize("yaml", ["1", "'true'", "maybe", "[true]"])
def test_what_is_no_boolean_is_noted(yaml: str) -> None:
    section = section_of(f"key: {yaml}")

    assert section.boolean("key", True) is True
    assert section.problems.errors == ["x:1: key: must be true or false"]


@pytest.mark.parametrize(("yaml", "seconds"), [("1m", 60.0), ("", 5.0), ("''", 5.0), ("0", 5.0), ("0s", 5.0)])
def test_a_duration_of_zero_is_the_default(yaml: str, seconds: float) -> None:
    assert section_of(f"key: {yaml}").duration("key", 5.0) == seconds


@pytest.mark.parametrize(
    ("yaml", "message"),
    [("10", 'time: missing unit in duration "10"'), ("-5s", "must be positive; got -5s"), ("[1s]", "must be a string")],
)
def test_a_bad_duration_is_noted(yaml: str, message: str) -> None:
    section = section_of(f"key: {yaml}")

    assert section.duration("key", 5.0, positive=True) == 5.0
    assert section.problems.errors == [f"x:1: key: {message}"]


def test_a_required_text_must_be_there() -> None:
    section = section_of("empty: ''\nlist: []\nthere: a")

    texts = [section.required_text(key) for key in ("empty", "absent", "list", "there")]

    assert texts == ["", "", "", "a"]
    assert section.problems.errors == [
        "x:1: empty: is required",
        "x:1: absent: is required",
        "x:2: list: must be a string",
    ]


def test_a_required_text_may_have_a_sentence_of_its_own() -> None:
    section = section_of("a: 1")

    section.required_text("b", "says where it is")

    assert section.problems.errors == ["x:1: b: says where it is"]


@pytest.mark.parametrize(("yaml", "word"), [("b", "b"), ("", "a"), ("''", "a")])
def test_a_choice_is_one_of_the_words_or_the_default(yaml: str, word: str) -> None:
    assert section_of(f"key: {yaml}").choice("key", ("a", "b"), "a") == word


def test_another_word_is_noted() -> None:
    section = section_of("key: B")

    assert section.choice("key", ("a", "b"), "a") == "a"
    assert section.problems.errors == ['x:1: key: must be one of a, b; got "B"']


# --- lists and mappings ---------------------------------------------------------------------------------------------


def test_a_list_of_texts_keeps_lines_and_raw_texts() -> None:
    section = section_of("key:\n  - no\n  - 053\n")

    assert section.texts_with_lines("key") == [("no", 2), ("053", 3)]
    assert section.texts("key") == ["no", "053"]


def test_what_is_no_list_of_texts_is_noted() -> None:
    section = section_of("a: x\nb:\n  - ok\n  - [1]\n")

    assert section.texts("a") == []
    assert section.texts("b") == ["ok"]
    assert section.problems.errors == ["x:1: a: must be a list of strings", "x:4: b[1]: must be a string"]


def test_a_list_may_mix_texts_and_mappings() -> None:
    section = section_of("a:\n  - one\n  - {b: two}\n  - [1]\nc: x\n")

    text, mapping = section.texts_or_sections("a")

    assert text == ("one", 2)
    assert isinstance(mapping, Section)
    assert (mapping.path, mapping.text("b")) == ("a[1]", "two")
    assert section.texts_or_sections("c") == section.texts_or_sections("d") == []
    assert section.problems.errors == [
        "x:4: a[2]: must be a string or a mapping", "x:5: c: must be a list of strings or mappings",
    ]  # fmt: skip


def test_nested_sections_know_their_path_and_line() -> None:
    section = section_of("a:\n  b:\n    c: 1\nlist:\n  - d: 1\n  - 7\n")

    inner = section.section_or_empty("a").section("b")
    entries = section.sections("list")

    assert inner is not None
    assert (inner.path, inner.line) == ("a.b", 3)
    assert [(entry.path, entry.line) for entry in entries] == [("list[0]", 5)]
    assert section.problems.errors == ["x:6: list[1]: must be a mapping"]


def test_an_absent_section_can_be_read_for_its_defaults() -> None:
    section = section_of("a: 1").section_or_empty("b")

    section.problem("c", "is missing")

    assert section.text("c", "d") == "d"
    assert section.problems.errors == ["x:1: b.c: is missing"]


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda section: section.section("key"), "must be a mapping"),
        (lambda section: section.sections("key"), "must be a list of mappings"),
        (lambda section: section.texts("key"), "must be a list of strings"),
    ],
    ids=["section", "sections", "texts"],
)
def test_a_scalar_where_more_is_wanted_is_noted(read: Callable[[Section], object], message: str) -> None:
    section = section_of("key: 1")

    assert not read(section)
    assert section.problems.errors == [f"x:1: key: {message}"]


def test_keys_lists_what_is_there() -> None:
    assert section_of("a: 1\nb:\n").keys() == ["a", "b"]


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_that_nobody_asked_for_is_reported() -> None:
    section = section_of("hosts: 1\nzzz: 2")
    section.texts("host")
    section.acknowledge("methods")

    section.finish()

    assert section.problems.errors == ['x:1: hosts: unknown key (did you mean "host"?)', "x:2: zzz: unknown key"]


def test_an_acknowledged_key_is_not_reported() -> None:
    section = section_of("a: 1")
    section.acknowledge("a")

    section.finish()

    assert section.problems.errors == []


def test_a_duplicate_key_is_an_error() -> None:
    section = section_of("a: 1\nb: 2\na: 3")

    assert section.text("a") == "1"
    assert section.problems.errors == ["x:3: a: duplicate key (first on line 1)"]


@pytest.mark.parametrize("yaml", ["[a]: 1", "{a: 1}: 2", "? [a]\n: 1"])
def test_a_key_that_is_no_word_is_an_error(yaml: str) -> None:
    assert section_of(yaml).problems.errors == ["x:1: a key must be a single word, not a list or a mapping"]


def test_a_key_of_a_later_version_is_refused_and_not_ignored() -> None:
    section = section_of("mcp: {}\npostgres:\n")

    section.not_available("mcp", "postgres")
    section.finish()

    assert section.problems.errors == ["x:1: mcp: not available in this version"]


def test_merged_keys_yield_to_those_written_out() -> None:
    section = section_of("base: &b {x: 1, y: 1}\nmore: &m {y: 2, z: 2}\nuse:\n  z: 3\n  <<: [*b, *m]\n").section("use")

    assert section is not None
    assert [section.text(key) for key in "xyz"] == ["1", "1", "3"]
    assert section.problems.errors == []


def test_a_written_key_after_a_merge_is_no_duplicate() -> None:
    section = section_of("base: &b {x: 1}\nuse:\n  <<: *b\n  x: 2\n").section("use")

    assert section is not None
    assert section.text("x") == "2"
    assert section.problems.errors == []


def test_merging_what_is_no_mapping_is_an_error() -> None:
    section = section_of("use:\n  <<: [1]\n").section("use")

    assert section is not None
    assert section.problems.errors == ["x:2: use.<<: merges mappings only"]


# --- values from the environment ------------------------------------------------------------------------------------


def test_an_override_wins_and_its_problems_name_the_variable() -> None:
    section = section_of("level: info")

    section.override("level", "loud", "IRON_LOG_LEVEL")
    section.problem("level", "is no level")

    assert section.text("level") == "loud"
    assert section.problems.errors == ["environment: IRON_LOG_LEVEL: is no level"]


@pytest.mark.parametrize("text", ["~", "null"])
def test_an_override_is_never_null(text: str) -> None:
    section = section_of("a: 1")

    section.override("path", text, "IRON_PATH")

    assert section.text("path") == text


def test_a_problem_of_the_section_itself_is_not_blamed_on_a_variable() -> None:
    section = section_of("a: 1")
    section.override("a", "2", "IRON_A")

    section.problem(None, "is wrong")
    section.problem_at(1, "list[0]", "is wrong")

    assert section.problems.errors == ["x:1: is wrong", "x:1: list[0]: is wrong"]
