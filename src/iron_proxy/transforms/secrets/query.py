"""
The raw query, edited parameter by parameter: what is not touched keeps its order and its bytes.

Parameters are separated by `&` only (a `;` is an ordinary character, as browsers have it); values are matched
decoded; keys are never searched.
"""

from iron_proxy.transforms.secrets import percent
from iron_proxy.transforms.secrets.tokens import Replacement, TokenSet, distinct_tokens


def tokens_in_query(raw_query: bytes, tokens: TokenSet) -> list[tuple[str, list[bytes]]]:
    """For each value that holds tokens: the decoded key, and the tokens."""
    # No escape reaches across an `&`, so a query that holds no token decoded as a whole holds none in a value.
    if not tokens.occurs_in(percent.decode(raw_query, plus_is_space=True)):
        return []
    found = []
    for parameter in raw_query.split(b"&"):
        key, _, value = parameter.partition(b"=")
        present = distinct_tokens(tokens.find(percent.decode(value, plus_is_space=True)))
        if present:
            found.append((_text(key), present))
    return found


def replace_in_query(raw_query: bytes, tokens: TokenSet, replacement: Replacement) -> bytes:
    """Replace tokens in the values."""
    return b"&".join(_replace_in(parameter, tokens, replacement) for parameter in raw_query.split(b"&"))


def set_parameter(raw_query: bytes | None, name: str, value: bytes) -> bytes:
    """Give a parameter one value, in the place of its first; all its other values go."""
    new = percent.encode(name.encode()) + b"=" + percent.encode(value)
    if not raw_query:
        return new
    parameters = raw_query.split(b"&")
    parameters = [_without_hidden(parameter, name) if b";" in parameter else parameter for parameter in parameters]
    positions = [index for index, parameter in enumerate(parameters) if _is_called(parameter, name)]
    if not positions:
        return b"&".join((*parameters, new))
    parameters[positions[0]] = new
    dropped = set(positions[1:])
    return b"&".join(parameter for index, parameter in enumerate(parameters) if index not in dropped)


def _without_hidden(parameter: bytes, name: str) -> bytes:
    """For servers that take `;` for a separator as well (HTML 4 suggested it): without what they would find behind."""
    first, *others = parameter.split(b";")
    return b";".join([first, *(other for other in others if not _is_called(other, name))])


def _is_called(parameter: bytes, name: str) -> bool:
    """Whether some server takes it for a parameter of this name: PHP skips blanks before it, others stop at a NUL."""
    return _text(parameter.partition(b"=")[0]).lstrip(" ").partition("\0")[0] == name


def _replace_in(parameter: bytes, tokens: TokenSet, replacement: Replacement) -> bytes:
    key, equals, value = parameter.partition(b"=")
    return key + equals + percent.replace(value, tokens, replacement, plus_is_space=True)


def _text(key: bytes) -> str:
    return percent.decode(key, plus_is_space=True).decode("utf-8", "replace")
