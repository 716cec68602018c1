"""Rules of `docs/explanation/security-rules.md` that are kept by what may stand where; others are in its table."""

import ast
from collections.abc import Callable, Iterator

import pytest
from tests.structure.source_tree import calls, dotted, source_files, tree_of

# Methods of sockets, and of the loop for them.
_SOCKET_CALLS = {
    "recv", "recv_into", "recvfrom", "recvmsg", "sendall", "sendto", "sendmsg", "sock_recv", "sock_recv_into",
    "sock_sendall", "start_server", "create_server", "StreamReader",
}  # fmt: skip
_STARTING = {
    "create_subprocess_exec", "create_subprocess_shell", "fork", "forkpty", "posix_spawn", "posix_spawnp", "popen",
    "system", "execv", "execve", "execvp", "execvpe", "spawnv", "spawnve",
}  # fmt: skip
_PATTERN_CALLS = ("compile", "fullmatch", "match", "search", "sub", "subn", "split", "findall", "finditer")


def starts_a_program(name: str) -> bool:
    return (
        name.startswith("subprocess.")
        or (name.startswith("os.") and name[3:] in _STARTING)
        or (name.rpartition(".")[2] in ("create_subprocess_exec", "create_subprocess_shell"))
    )


CALL_RULES: list[tuple[str, Callable[[str], bool], tuple[str, ...]]] = [
    (
        # Where bytes that name a destination are read, and where one is made of what is a Target's part already.
        "E1: a Target is made where a destination is read",
        lambda name: name.rpartition(".")[2] == "Target",
        (
            "messages/authority.py", "pipeline/pipeline.py", "protocols/socks5.py", "proxy/client_tls.py",
            "proxy/sni_passthrough.py", "streams/original_destination.py", "upstream/dialer.py",
        ),
    ),
    (
        # streams/ has protocols of the loop, with deadlines and caps. A read past them would have neither: those here
        # are listening, datagrams, questions to name servers, the programs that are not the proxy, and socket pairs
        # between a supervisor and its workers.
        "E10: no socket is read or written past the streams",
        lambda name: name.rpartition(".")[2] in _SOCKET_CALLS,
        (
            "listeners/accept.py", "dns/datagrams.py", "dns/server.py", "dns/upstream_query.py", "demo/", "doctor/",
            "jail/", "selftest/", "workers/audit_channel.py", "workers/lines.py", "workers/process.py",
        ),
    ),
    (
        # A supervisor starts workers, which are this program.
        "E16: what serves starts no program",
        starts_a_program,
        ("demo/", "doctor/", "github_action/proxy_process.py", "jail/", "nftables/applying.py", "session/unjailed.py",
         "workers/process.py"),
    ),
    (
        # It deletes line breaks and takes what stands behind an @. These read what an operator wrote, or a browser's
        # Origin field, which is compared and not followed.
        "E4: no URL of a client is taken apart by urllib",
        lambda name: name.rpartition(".")[2] in ("urlsplit", "urlparse"),
        ("cli/reload.py", "doctor/clients.py", "jail/client_environment.py", "management/access.py"),
    ),
    (
        "E17: shell patterns are ours, RE2 is the operator's",
        lambda name: name.startswith("fnmatch"),
        (),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "concerns", "allowed"), CALL_RULES, ids=[rule for rule, _, _ in CALL_RULES])
def test_a_call_stands_only_where_it_may(rule: str, concerns: Callable[[str], bool], allowed: tuple[str, ...]) -> None:
    found = [
        f"{path}:{call.lineno} {name}"
        for path in source_files()
        if not path.startswith(allowed or ("-",))
        for call, name in calls(tree_of(path))
        if concerns(name)
    ]

    assert found == [], rule


@pytest.mark.parametrize(
    ("rule", "concerns", "place"),
    [(rule, concerns, place) for rule, concerns, allowed in CALL_RULES for place in allowed],
    ids=[f"{rule}: {place}" for rule, _, allowed in CALL_RULES for place in allowed],
)
def test_a_place_that_may_call_still_does(rule: str, concerns: Callable[[str], bool], place: str) -> None:
    paths = [path for path in source_files() if path.startswith(place)]

    assert any(concerns(name) for path in paths for _, name in calls(tree_of(path))), f"{place} needs no exception"


# The environment holds secrets, and after the start there is a copy for those who may have them.
READ_THE_ENVIRONMENT = (
    "audit/otlp_connection.py", "cli/", "demo/proxy_process.py", "jail/launch.py", "jail/trust.py",
    "runtime/serving.py", "runtime/start_environment.py", "testing/egress_guard.py", "testing/running.py",
)  # fmt: skip


def test_e16_the_environment_is_read_by_commands_and_not_by_what_serves() -> None:
    users = {path for path, name in attributes() if name in ("os.environ", "os.environb", "os.getenv")}

    assert {path for path in users if not path.startswith(READ_THE_ENVIRONMENT)} == set()


@pytest.mark.parametrize("attribute", ["is_global", "is_private", "is_reserved", "is_site_local"])
def test_e3_addresses_are_not_judged_by_the_standard_librarys_opinion(attribute: str) -> None:
    assert [path for path, name in attributes() if name.endswith(f".{attribute}")] == []


# Patterns made of tokens and secrets, every one of them escaped: alternatives of plain text.
MADE_OF_PLAIN_TEXT = (
    "transforms/secrets/escapes.py", "transforms/secrets/streaming.py", "transforms/secrets/tokens.py",
)  # fmt: skip
# Constants of a table in the same file, handed to one function.
FROM_A_TABLE = ("selftest/framing_cases.py",)


@pytest.mark.parametrize("path", sorted({*source_files()} - {*MADE_OF_PLAIN_TEXT, *FROM_A_TABLE}))
def test_e17_a_pattern_of_pythons_re_is_written_in_the_source(path: str) -> None:
    """It backtracks: what an operator configures is RE2's, in linear time."""
    wrong = [
        f"{path}:{call.lineno}"
        for call, name in calls(tree_of(path))
        if name in {f"re.{each}" for each in _PATTERN_CALLS} and not is_constant(call.args[0])
    ]

    assert wrong == []


def test_the_exceptions_for_patterns_escape_what_they_are_made_of() -> None:
    for path in MADE_OF_PLAIN_TEXT:
        assert "re.escape" in {name for _, name in attributes(path)}, path


def attributes(only: str | None = None) -> Iterator[tuple[str, str]]:
    """(path, dotted name) of every attribute that the source mentions."""
    for path in [only] if only else source_files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute):
                yield path, dotted(node)


def is_constant(node: ast.expr) -> bool:
    """A literal, a name in capitals, or something put together of these."""
    match node:
        case ast.Constant():
            return True
        case ast.Name():
            return node.id.isupper()
        case ast.JoinedStr():
            return all(map(is_constant, node.values))
        case ast.FormattedValue():
            return is_constant(node.value)
        case ast.BinOp():
            return is_constant(node.left) and is_constant(node.right)
        case ast.Call(func=ast.Attribute(value=value, attr="decode")):
            return is_constant(value)
        case _:
            return False
