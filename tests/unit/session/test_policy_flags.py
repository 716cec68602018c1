import pytest

from iron_proxy.messages.authority import Target
from iron_proxy.session.policy_flags import parse_destinations, parse_port, parse_secret, traps_of


@pytest.mark.parametrize(
    ("text", "fits", "does_not"),
    [
        ("api.example.com", Target("api.example.com", 443), Target("example.com", 443)),
        ("*.example.com", Target("a.b.example.com", 8080), Target("evilexample.com", 443)),
        ("example.com:8443", Target("example.com", 8443), Target("example.com", 443)),
        ("10.0.0.0/8", Target("10.1.2.3", 80, True), Target("11.1.2.3", 80, True)),
        ("10.0.0.0/8:8080", Target("10.1.2.3", 8080, True), Target("10.1.2.3", 80, True)),
        ("2001:db8::1", Target("2001:db8::1", 443, True), Target("2001:db8::2", 443, True)),
        ("[2001:db8::1]:8443", Target("2001:db8::1", 8443, True), Target("2001:db8::1", 443, True)),
        ("EXAMPLE.com", Target("example.com", 443), Target("example.org", 443)),
        ("*", Target("anything", 1), None),
    ],
)
def test_a_destination_is_a_rule(text: str, fits: Target, does_not: Target | None) -> None:
    (rule,) = parse_destinations([text])

    assert rule.could_match(fits)
    assert does_not is None or not rule.could_match(does_not)
    assert rule.describe() == text


def test_commas_and_repetition_are_the_same() -> None:
    rules = parse_destinations(["a.test, b.test:80", "c.test"])

    assert [rule.describe() for rule in rules] == ["a.test", "b.test:80", "c.test"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "an empty destination"),
        ("a.test,,b.test", "an empty destination"),
        ("https://example.com/v1", "write example.com"),
        ("example.com/v1", "put the path under paths"),
        ("example.com:0", "not a port number"),
        ("example.com:70000", "not a port number"),
        ("ex ample.com", "no spaces"),
    ],
)
def test_what_is_no_destination_is_refused_with_the_remedy(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_destinations([text])


def test_a_secret_is_a_variable_and_who_may_have_it() -> None:
    flag = parse_secret("OPENAI_API_KEY@api.openai.com,*.example.com:8443")

    assert flag.variable == "OPENAI_API_KEY"
    assert [rule.describe() for rule in flag.rules] == ["api.openai.com", "*.example.com:8443"]


@pytest.mark.parametrize("text", ["sk-0123456789", "sk-0123456789@api.test", "", "@api.test", "1A@api.test"])
def test_a_value_in_the_place_of_a_name_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="name of a variable") as raised:
        parse_secret(text)

    assert "0123456789" not in str(raised.value)


@pytest.mark.parametrize("text", ["KEY", "KEY@", "KEY@ "])
def test_a_secret_for_nobody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="who may have the value"):
        parse_secret(text)


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "1e3", "²", "9" * 5000])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a port number"):
        parse_port(text)


def test_patterns_that_cover_more_than_they_seem_to_are_told() -> None:
    (sentence,) = traps_of(parse_destinations(["*example.com", "*.example.com", "10.0.0.0/8"]))

    assert "evilexample.com" in sentence
