import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.collector import left_to_the_collector

from iron_proxy.config import loading
from iron_proxy.config.loading import examine_config, load_config, parse_config
from iron_proxy.errors import ConfigError

MINIMAL = "dns: {proxy_ip: 10.0.0.1}\ntls: {ca_cert: ca.crt, ca_key: ca.key}\n"


def reader(content: str | bytes) -> Callable[[str], bytes]:
    return lambda path: content if isinstance(content, bytes) else content.encode()


def problems_of(content: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config("x.yaml", {}, reader(content))
    return caught.value.problems


# --- the file -------------------------------------------------------------------------------------------------------


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(MINIMAL + "config: {unknown_keys: warn}\nnew: 1\n")

    config, warnings = load_config(str(path), {})

    assert config.dns.proxy_ip == "10.0.0.1"
    assert warnings == [f"{path}:4: new: unknown key"]


@pytest.mark.parametrize("path", [None, ""])
def test_without_a_path_the_environment_is_enough(path: str | None) -> None:
    environment = {"IRON_DNS_PROXY_IP": "10.0.0.1", "IRON_TLS_CA_CERT": "a", "IRON_TLS_CA_KEY": "b"}

    config, warnings = load_config(path, environment)

    assert (config.dns.proxy_ip, config.tls.ca_cert, config.tls.ca_key) == ("10.0.0.1", "a", "b")
    assert warnings == []


def test_without_a_path_problems_name_the_environment() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, {})

    assert [problem.split(" is required")[0] for problem in caught.value.problems[1:]] == [
        "environment: dns.proxy_ip:",
        "environment: tls.ca_cert:",
        "environment: tls.ca_key:",
    ]


def test_who_names_neither_a_file_nor_a_variable_is_told_how_first() -> None:
    with pytest.raises(ConfigError) as nothing:
        load_config(None, {"HTTPS_PROXY": "http://127.0.0.1:1"})
    with pytest.raises(ConfigError) as some:
        load_config(None, {"IRON_DNS_PROXY_IP": "10.0.0.1"})

    assert nothing.value.problems[0] == (
        "no configuration is named: -config FILE (iron-proxy init writes one, iron-proxy -h has all commands)"
    )
    assert [problem.split(" is required")[0] for problem in some.value.problems] == [
        "environment: tls.ca_cert:",
        "environment: tls.ca_key:",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(str(tmp_path / "no.yaml"), {})

    assert caught.value.problems == [f"opening config file: {tmp_path}/no.yaml: no such file"]


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(str(tmp_path), {})

    assert caught.value.problems == [f"opening config file: {tmp_path}: is a directory"]


def test_a_file_that_may_not_be_read_is_told() -> None:
    def refuse(path: str) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    with pytest.raises(ConfigError) as caught:
        load_config("x.yaml", {}, refuse)

    assert caught.value.problems == ["opening config file: x.yaml: permission denied"]


def test_a_path_that_cannot_be_one_is_told() -> None:
    with pytest.raises(ConfigError, match="not a usable path"):
        load_config("a\0b", {})


def test_s3_is_not_available() -> None:
    with pytest.raises(ConfigError, match=r"s3://b/k: a configuration in S3 is not available in this version"):
        load_config("s3://b/k", {})


def test_a_file_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_CONFIG_BYTES", 100)

    with pytest.raises(ConfigError, match="parsing config: larger than 100 bytes"):
        load_config("/dev/zero", {})


def test_a_byte_order_mark_is_skipped() -> None:
    config, _ = load_config("x.yaml", {}, reader(b"\xef\xbb\xbf" + MINIMAL.encode()))

    assert config.dns.proxy_ip == "10.0.0.1"


def test_bytes_that_are_not_utf8_are_told_with_their_line() -> None:
    assert problems_of(b"a: 1\nb: \xff\n") == ["x.yaml:2: parsing config: the file is not UTF-8; save it as UTF-8"]


def test_all_problems_can_be_told_along_with_those_of_the_transforms() -> None:
    config, problems = examine_config("x.yaml", {}, reader("transforms: [{name: a}]\n"))

    config.transforms[0].section.problem("b", "is required")

    assert len(problems.errors) == 4
    assert config.transforms[0].section.problems is problems


# --- yaml -----------------------------------------------------------------------------------------------------------


def test_a_reload_leaves_nothing_of_the_parser_to_the_collector() -> None:
    assert left_to_the_collector(lambda: parse_config(MINIMAL, "x.yaml")) == 0


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "   "])
def test_an_empty_file_is_an_error(text: str) -> None:
    assert problems_of(text) == ["x.yaml: parsing config: EOF: the file is empty"]


@pytest.mark.parametrize("text", ["---\n", "null\n", "~"])
def test_an_empty_document_is_all_defaults(text: str) -> None:
    assert parse_config(text, "x").keys() == []


@pytest.mark.parametrize("text", ["- a\n", "hello\n", "42", "'null'"])
def test_a_file_that_is_no_mapping_is_an_error(text: str) -> None:
    assert problems_of(text)[0].startswith("x.yaml:1: parsing config: ")


def test_only_the_first_document_counts() -> None:
    config, _ = load_config("x.yaml", {}, reader(f"---\n{MINIMAL}---\ndns: nonsense\n...\n}}}} [ not yaml at all"))

    assert config.dns.proxy_ip == "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{{{", 1),
        ("a: 1\nb: [1\n", 3),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 1\n b: 2\n", 2),
        ("a: 'x\n", 2),
        ("a: %x\n", 1),
        ("a: @x\n", 1),
        ('a: "\\q"\n', 1),
    ],
    ids=["braces", "open list", "tab", "indentation", "open quote", "percent", "at", "escape"],
)
def test_a_syntax_error_is_told_with_its_line(text: str, line: int) -> None:
    (problem,) = problems_of(text)

    assert problem.startswith(f"x.yaml:{line}: parsing config: ")


@pytest.mark.parametrize("rest", ["]", "}", "x: 1", "'x'"])
def test_what_stands_behind_the_document_is_not_lost(rest: str) -> None:
    (problem,) = problems_of("{dns: {proxy_ip: 10.0.0.1}}\n" + rest)

    assert problem.startswith("x.yaml:2: parsing config: ")


def test_an_escape_beyond_unicode_is_no_yaml() -> None:
    assert problems_of('a: "\\U99999999"') == ["x.yaml: parsing config: not YAML"]


def test_an_unquoted_star_is_told_with_the_remedy() -> None:
    (problem,) = problems_of("dns:\n  passthrough:\n    - *.internal.corp\n")

    assert problem.startswith("x.yaml:3: parsing config: ")
    assert problem.endswith("a value that begins with * stands in quotes")


@pytest.mark.parametrize(
    "text", ["a: 1\nb: \x00\n", "a: 1\nb: \x1b[31m\n", "a: 1\nb: \x7f"], ids=["nul", "escape", "delete"]
)
def test_a_control_character_is_told_with_its_line(text: str) -> None:
    (problem,) = problems_of(text)

    assert problem == "x.yaml:2: parsing config: a control character; remove it"


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ('!!python/object/apply:os.system ["touch /tmp/pwn"]', "!!python/object/apply:os.system"),
        ("!!binary aGVsbG8=", "!!binary"),
        ("!custom 5", "!custom"),
        ("!!set {a, b}", "!!set"),
        ("!!omap [a: 1]", "!!omap"),
        ("!<tag:example.com,2000:x> 1", "tag:example.com,2000:x"),
    ],
)
def test_tags_that_make_objects_are_refused(value: str, tag: str) -> None:
    problems = problems_of(f"{MINIMAL}transforms:\n  - name: a\n    config: {{x: {value}}}\n")

    assert problems == [f"x.yaml:5: the tag {tag} is not accepted; write plain values"]


def test_core_tags_and_anchors_are_plain_yaml() -> None:
    section = parse_config("a: !!str 53\nb: &x [1, 2]\nc: *x\nd: &x 3\ne: *x\n", "x")

    assert (section.text("a"), section.texts("c"), section.text("e")) == ("53", ["1", "2"], "3")
    assert section.problems.errors == []


def bomb(levels: int, start: str = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n") -> str:
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, levels)]
    return start + "".join(lines)


@pytest.mark.parametrize(
    "text",
    [bomb(9), "a: &a [*a]\n", "a: &a {b: *a}\n", "a: &a\n  <<: *a\n"],
    ids=["billion laughs", "a list in itself", "a mapping in itself", "a mapping merged into itself"],
)
def test_aliases_that_expand_without_end_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_NODES", 10_000)

    assert problems_of(text) == ["x.yaml: parsing config: aliases expand to more than 10000 nodes"]


@pytest.mark.parametrize("text", ["[" * 500, "a: " + "{a: " * 2000, "- " * 2000], ids=["lists", "mappings", "dashes"])
def test_deep_nesting_is_refused_and_not_a_crash(text: str) -> None:
    assert problems_of(text) == ["x.yaml: parsing config: nested too deeply"]


def test_an_oversized_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_CONFIG_BYTES", 10)

    assert problems_of("a: 12345678") == ["x.yaml: parsing config: larger than 10 bytes"]


def test_a_version_directive_does_not_change_what_words_mean() -> None:
    assert parse_config("%YAML 1.1\n---\na: no\nb: 012\n", "x").text("b") == "012"


@given(st.text(st.sampled_from("{}[]:,-#&*!|>'\"%@`\n\t \\~=<?ab0.\u2028é"), max_size=30))
def test_any_text_gives_problems_with_a_place_and_never_another_error(text: str) -> None:
    problems = problems_of(text)  # `tls.ca_cert` is never among these characters

    assert all(problem.startswith("x.yaml") for problem in problems)
