"""What operators write in small languages of their own: templates, patterns, durations, numbers."""

from tests.fuzz.targets.plain_glob import plainly_matches

from iron_proxy.go_compat.durations import parse_duration
from iron_proxy.go_compat.numbers import NumberError, parse_bool, parse_int
from iron_proxy.go_compat.text_template import MissingField, Template, TemplateError, Values
from iron_proxy.matching.glob import compile_glob
from iron_proxy.matching.header_patterns import HeaderPattern
from iron_proxy.matching.host_patterns import CIDRPattern, HostPattern
from iron_proxy.matching.path_patterns import PathPattern

_VALUES: Values = {"Value": "v{{x}}", "Credentials": {"a": "cred"}}
_FUNCTIONS = {"base64": lambda *texts: "".join(texts)[::-1], "quote": repr}


def check_template(wire: bytes) -> None:
    """TemplateError, or a template that renders or lacks a field; text without actions comes back as it is."""
    text = wire.decode("utf-8", "replace")
    try:
        template = Template.parse(text, functions=_FUNCTIONS)
    except TemplateError as error:
        assert "{{" in text
        assert str(error)
        return
    if "{{" not in text:
        assert template.render({}) == text
    try:
        rendered = template.render(_VALUES)
    except MissingField:
        return
    except TypeError:  # a function of another number of arguments: the caller's business
        return
    assert template.render(_VALUES) == rendered


def check_glob(wire: bytes) -> None:
    """A pattern and, behind a NUL, a name: a ValueError, or what trying everything says."""
    pattern, _, name = wire.decode("utf-8", "replace").partition("\0")
    try:
        compiled = compile_glob(pattern)
    except ValueError as error:
        assert str(error)
        return
    if len(pattern) <= 40 and len(name) <= 40:
        assert (compiled.fullmatch(name) is not None) == plainly_matches(pattern, name)


def check_pattern(wire: bytes) -> None:
    """A host, path or header pattern and, behind a NUL, a name: ValueError with a sentence, or yes or no."""
    text, _, name = wire.decode("utf-8", "replace").partition("\0")
    for kind in (HostPattern, PathPattern, CIDRPattern):
        try:
            pattern = kind.parse(text)
        except ValueError as error:
            assert str(error)
            continue
        assert pattern.matches(name) in (True, False)
        if isinstance(pattern, HostPattern) and pattern.exact is not None:
            assert HostPattern.parse(pattern.exact).exact == pattern.exact
            assert pattern.matches(pattern.exact)
    try:
        header = HeaderPattern.parse(text)
    except ValueError as error:
        assert str(error)
    else:
        assert header.matches(name.encode()) in (True, False)


def check_number(wire: bytes) -> None:
    """A duration, a number, a truth value: ValueError in Go's words, or a value within Go's bounds."""
    text = wire.decode("utf-8", "replace")
    try:
        assert abs(parse_duration(text)) <= 2**63 / 1e9
    except ValueError as error:
        assert str(error).startswith("time: ")
    for base in (0, 10):
        try:
            assert -(2**63) <= parse_int(text, base=base) < 2**63
        except NumberError as error:
            assert str(error).startswith("strconv.ParseInt")
    try:
        assert parse_bool(text) in (True, False)
    except NumberError as error:
        assert str(error).startswith("strconv.ParseBool")
