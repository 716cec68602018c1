"""What the code of a test says that pytest does not: the ways in and splits that it names itself, and HTTP/2."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

from tests.fakes.wire_client import SPLITS, Split, Way

# A test that opens a tunnel byte by byte, by CONNECT or SOCKS5.
TUNNEL = "TUNNEL"

_LISTENERS = {"http": Way.HTTP.name, "https": Way.HTTPS.name, "tunnel": TUNNEL}
_HTTP2_CLIENTS = {"speak", "break_rules", "Http2Peer", "Http2Wire"}


@cache
def ways_in(function: FunctionType) -> frozenset[str]:
    """Those that it names, and that functions of its file name for it."""
    return frozenset(way for node, scope in _nodes(function) for way in _ways_of(node, scope))


@cache
def is_in_http2(function: FunctionType) -> bool:
    """Whether its client speaks HTTP/2."""
    return any(isinstance(node, ast.Name) and node.id in _HTTP2_CLIENTS for node, _ in _nodes(function))


@cache
def splits_in(function: FunctionType) -> int:
    """Over how many splits it loops."""
    loops = (node.iter for node, _ in _nodes(function) if isinstance(node, ast.For | ast.comprehension))
    names = {loop.id for loop in loops if isinstance(loop, ast.Name)}
    return len(SPLITS) if names & {"SPLITS", Split.__name__} else 1


def _ways_of(node: ast.AST, scope: dict[str, Any]) -> Iterator[str]:
    match node:
        case ast.Name(id=name):
            value = scope.get(name)
            if isinstance(value, tuple | list):
                yield from (each.name for each in value if isinstance(each, Way))
        case ast.Attribute(value=ast.Name(id="Way"), attr=name) if name in Way.__members__:
            yield name
        case ast.Call(func=ast.Attribute(attr="raw"), args=[ast.Constant(value=name)]) if name in _LISTENERS:
            yield _LISTENERS[str(name)]
        case ast.Subscript(value=ast.Attribute(attr="addresses"), slice=ast.Constant(value=name)):
            if name in _LISTENERS:
                yield _LISTENERS[str(name)]
        case _:
            pass


def _nodes(function: FunctionType) -> Iterator[tuple[ast.AST, dict[str, Any]]]:
    """The code of a function and of those of its file that it calls, decorators aside."""
    waiting, seen = [function], {function}
    while waiting:
        current = waiting.pop()
        for node in _body_of(current):
            yield node, current.__globals__
            called = current.__globals__.get(node.id) if isinstance(node, ast.Name) else None
            if isinstance(called, FunctionType) and called not in seen and _is_beside(called, current):
                seen.add(called)
                waiting.append(called)


def _body_of(function: FunctionType) -> Iterator[ast.AST]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    for statement in tree.body:
        yield from ast.walk(statement)


def _is_beside(called: FunctionType, function: FunctionType) -> bool:
    return called.__code__.co_filename == function.__code__.co_filename
