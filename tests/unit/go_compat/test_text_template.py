import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.go_compat.text_template import MissingField, Template, TemplateError, Values


def joined_base64(*texts: str) -> str:
    return base64.b64encode("".join(texts).encode()).decode()


FUNCTIONS = {"base64": joined_base64}
VALUES: Values = {"Value": "s3cret", "Method": "GET", "Credentials": {"name": "ann", "key": "k1"}}
FIELDS = {"Value", "Method", "Credentials.*"}


def render(text: str) -> str:
    return Template.parse(text, FIELDS, FUNCTIONS).render(VALUES)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("plain %s {0.__globals__} }} {", "plain %s {0.__globals__} }} {"),
        ("{{.Value}}", "s3cret"),
        ("{{ .Value }}", "s3cret"),
        ("{{\n\t.Value\r\n}}", "s3cret"),
        ("Bearer {{ .Value }}!", "Bearer s3cret!"),
        ("{{.Method}}\n{{.Value}}", "GET\ns3cret"),
        ("{{.Credentials.name}}:{{ .Credentials.key }}", "ann:k1"),
        ('{{ base64 "x:" .Value }}', base64.b64encode(b"x:s3cret").decode()),
        ("{{base64 `x:` .Value}}", base64.b64encode(b"x:s3cret").decode()),
        ("{{ base64 .Credentials.name }}", "YW5u"),
        ("{{ base64 }}", ""),
        ('{{ "{{" }}', "{{"),
        ('{{ "}}" }}', "}}"),
        ('{{"a"}}{{`b`}}', "ab"),
        ("a {{- .Value -}} b", "as3cretb"),
        ("{{- .Value -}}", "s3cret"),
        ("a\n\t {{- .Value }} b", "as3cret b"),
        ("a {{ .Value -}} \r\n b", "a s3cretb"),
        ("a {{/* a note */}} b", "a  b"),
        ("a {{- /* a }} note */ -}} b", "ab"),
        ("{{/**/}}", ""),
        ("x {{ .Method -}} {{- .Method }} y", "x GETGET y"),
        ("  {{- .Value }}", "s3cret"),
        ("{{ .Value -}}  ", "s3cret"),
    ],
)
def test_what_is_written_is_rendered(text: str, result: str) -> None:
    assert render(text) == result


@pytest.mark.parametrize(
    ("literal", "result"),
    [
        (r'"a\tb\n"', "a\tb\n"),
        (r'"\a\b\f\r\v\\\""', '\a\b\f\r\v\\"'),
        (r'"\x41\101"', "AA"),
        (r'"\xc3\xa9"', "é"),
        (r'"\u00e9\U0001F600"', "é😀"),
        ('"é"', "é"),
        ('`a\\n"b`', 'a\\n"b'),
        ("`a\r\nb`", "a\nb"),
    ],
)
def test_string_literals_are_read_as_go_does(literal: str, result: str) -> None:
    assert Template.parse("{{ " + literal + " }}").render({}) == result


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{{ .Value.__class__ }}", "line 1, column 4: unknown field .Value.__class__"),
        ("{{ .Nope }}", "line 1, column 4: unknown field .Nope (known: .Credentials.*, .Method, .Value)"),
        ("{{ .Credentials }}", "unknown field .Credentials"),
        ("{{ .Credentials.a.b }}", "unknown field .Credentials.a.b"),
        ("{{ .__class__ }}", "unknown field .__class__"),
        ("{{ range }}", '"range" is not available'),
        ("{{ if .Value }}x{{ end }}", '"if" is not available'),
        ("{{ nil }}", '"nil" is not available'),
        ('{{ .Value | printf "%s" }}', "a pipeline is not understood"),
        ('{{ printf "%s" .Value }}', 'unknown function "printf" (known: base64)'),
        ("{{ $x }}", "a variable is not understood"),
        ("{{ base64 (base64) }}", "a parenthesis is not understood"),
        ("{{ base64 base64 }}", '"base64" cannot be an argument'),
        ("{{ . }}", "the bare dot is not understood"),
        ("{{ 42 }}", "this character is not understood"),
        ("{{ .Value-x }}", "this character is not understood"),
        ("{{ .Ünicode }}", "not understood"),
        ("{{ .Value .Value }}", "a field or literal stands alone"),
        ('{{ "a".Value }}', "separated by blanks"),
        ('{{ base64"a" }}', "separated by blanks"),
        ("{{}}", "an action is empty"),
        ("{{ }}", "an action is empty"),
        ("{{-.Value}}", "not understood"),
        ("ab\n c{{ .Value", "line 2, column 3: the action that opens here is not closed"),
        ("{{", "the action that opens here is not closed"),
        ("{{ .Value }", "not understood"),
        ('{{ "abc }}', "a string literal is not closed"),
        ('{{ "a\nb" }}', "a string literal is not closed"),
        ("{{ `abc }}", "a string literal is not closed"),
        ("{{/* abc }}", "the comment that opens here is not closed"),
        ("{{/* abc */ .Value }}", "a comment must be alone in its braces"),
        ("{{ /* abc */ }}", "not understood"),
        (r'{{ "\q" }}', "an escape that Go does not know"),
        (r'{{ "\x4" }}', "an escape that Go does not know"),
        (r'{{ "\777" }}', "an escape that Go does not know"),
        (r'{{ "\ud800" }}', "an escape that Go does not know"),
        (r'{{ "\U00110000" }}', "an escape that Go does not know"),
        (r'{{ "\xff" }}', "not UTF-8"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text, FIELDS, FUNCTIONS)

    assert sentence in str(caught.value)


def test_a_refusal_does_not_quote_the_literals_of_a_template() -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse('Bearer sk-live-1 {{ .Nope "sk-live-2" }}', FIELDS, FUNCTIONS)

    assert "sk-live" not in str(caught.value)


def test_without_functions_a_call_is_refused() -> None:
    with pytest.raises(TemplateError, match=r'unknown function "base64" \(known: none\)'):
        Template.parse("{{ base64 .Value }}", {"Value"})


def test_without_a_set_of_fields_rendering_finds_out() -> None:
    template = Template.parse("{{ .Credentials.name }}")

    assert template.render({"Credentials": {"name": "ann"}}) == "ann"
    with pytest.raises(MissingField, match=r"^\.Credentials\.name has no value$"):
        template.render({"Credentials": {}})
    with pytest.raises(MissingField, match="has no value"):
        template.render({"Credentials": "flat"})
    with pytest.raises(MissingField, match="is not a text"):
        Template.parse("{{ .Credentials }}").render({"Credentials": {}})


def test_a_field_is_never_an_attribute() -> None:
    with pytest.raises(MissingField):
        Template.parse("{{ .Value.upper }}").render({"Value": "x"})


def test_a_template_says_which_fields_it_mentions() -> None:
    template = Template.parse('{{ .Value }}{{ base64 .Credentials.key "x" }}', FIELDS, FUNCTIONS)

    assert template.fields == {"Value", "Credentials.key"}


@given(st.text(st.sampled_from('{}-/*.ab "`\\x4|\n'), max_size=24))
def test_any_text_renders_or_is_refused(text: str) -> None:
    try:
        template = Template.parse(text, {"a"}, {"b": lambda *texts: "".join(texts)})
    except TemplateError:
        return

    assert isinstance(template.render({"a": "1"}), str)


@given(st.text(max_size=30).filter(lambda text: "{{" not in text))
def test_text_without_actions_stays_as_it_is(text: str) -> None:
    assert Template.parse(text).render({}) == text
