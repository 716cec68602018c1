"""The list of attack cases by number, how a test names one, and what is not covered, each with its reason."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Beside tests/attack, where nearly all of them are.
FOLDERS = ("contract", "end_to_end", "faults", "invariants")


class CaseClass(NamedTuple):
    """Cases of one kind. A number that is missing is no case."""

    name: str
    about: str
    numbers: tuple[int, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """Their names, as tests have them."""
        return tuple(f"{self.name}-{number:02}" for number in self.numbers)


CLASSES = (
    CaseClass("POL", "hosts, paths and methods", (1, 2, 3, 5, 7, 9, 11, 12, 14, 17, 18, 20, 22, 25)),
    CaseClass("SSRF", "addresses that must not be connected to", (1, 2, 3, 6, 7, 9, 14, 15)),
    CaseClass("H1", "framing and smuggling", (1, 3, 4, 6, 8, 10, 11, 13, 15, 17, 19, 20, 22, 23, 25, 27, 29)),
    CaseClass("HDR", "header fields", (1, 4, 5, 8, 10)),
    CaseClass("WS", "upgrades and streams", (1, 4, 6, 8, 10, 12, 14)),
    CaseClass("TUN", "CONNECT and SOCKS5", (1, 2, 3, 5, 7, 9, 10, 11, 13, 15, 17, 21)),
    CaseClass("TLS", "names, versions and certificates", (1, 2, 3, 5, 6, 8, 9, 11, 13, 17)),
    CaseClass("DNS", "questions and names", (1, 2, 3, 5, 9, 12)),
    CaseClass(
        "SEC",
        "secrets and their tokens",
        (1, 2, 3, 4, 6, 8, 10, 12, 13, 15, 16, 18, 21, 23, 24, 27, 29, 30, 31, 35, 38, 40, 42),
    ),
    CaseClass("AUD", "the audit log", (1, 2, 4, 6, 9, 11, 12, 14, 15, 19, 20)),
    CaseClass("MGT", "the management API", (1, 2, 4, 5, 8, 11)),
    CaseClass("DOS", "use of resources", (1, 4, 6, 7, 10, 11, 15, 18)),
    CaseClass("OS", "the process and its files", (1, 3, 7, 9, 11)),
    CaseClass("CFG", "the configuration", (1, 2, 5, 7, 8)),
    CaseClass("MCP", "policy for MCP", (1, 2, 4, 6, 8, 10)),
    CaseClass("PG", "PostgreSQL", (1, 4, 5)),
    CaseClass("EXT", "judges, gRPC transforms and managed mode", (1, 4, 6)),
)
ALL_CASES = tuple(case for each in CLASSES for case in each.cases)

# Cases that tests without a number cover.
ELSEWHERE = {
    "TLS-11": (
        "tests/unit/certs/test_authority.py: test_openssl_finds_nothing_to_object_to",
        "tests/unit/certs/test_authority.py: test_a_strict_python_client_shakes_hands",
        "tests/unit/certs/test_authority.py: test_a_thousand_serials_are_positive_and_differ",
        "tests/unit/certs/test_authority.py: test_a_leaf_never_outlives_its_ca",
    ),
    "TLS-17": (
        "tests/end_to_end/test_nftables.py: test_a_workload_reaches_the_proxy_and_nothing_else",
        "tests/end_to_end/test_nftables.py: test_without_an_ipv6_address_of_the_proxy_ipv6_leads_nowhere",
        "tests/end_to_end/test_transparent_confinement.py: test_datagrams_are_refused_at_once",
        "tests/end_to_end/test_transparent_confinement.py: test_pings_do_not_leave",
    ),
    "AUD-14": ("tests/end_to_end/test_otel.py: test_the_collector_gets_what_the_log_gets",),
    "CFG-08": (
        "tests/contract/test_environment.py: test_a_variable_wins_over_the_file",
        "tests/contract/test_environment.py: test_an_empty_variable_leaves_the_file_as_it_is",
        "tests/contract/test_environment.py: test_a_bad_value_is_told_under_the_name_of_the_variable",
    ),
}

_NOT_IN_THIS_VERSION = "is not in this version, and a configuration that asks for it is refused."
NOT_COVERED = {
    "WS-08": "The Autobahn suite is a program of its own that cannot be installed beside the tests. The relay does not "
    "look into frames unless a secret may be swapped in them, and WS-04 compares bytes.",
    "SEC-38": f"`hmac_sign` {_NOT_IN_THIS_VERSION}",
    "SEC-40": f"`gcp_auth` {_NOT_IN_THIS_VERSION}",
    **{f"MCP-{number:02}": f"MCP policy {_NOT_IN_THIS_VERSION}" for number in (1, 2, 4, 6, 8, 10)},
    **{f"PG-{number:02}": f"A listener for PostgreSQL {_NOT_IN_THIS_VERSION}" for number in (1, 4, 5)},
    "EXT-01": f"`judge` {_NOT_IN_THIS_VERSION}",
    "EXT-04": f"`grpc` {_NOT_IN_THIS_VERSION}",
    "EXT-06": f"Managed mode {_NOT_IN_THIS_VERSION}",
}

# Cases of requests that run over fewer ways in, or at fewer splits, than those of their class.
FEWER = {
    "HDR-01": "The field is injected, and secrets go over TLS only.",
    "HDR-05": "As HDR-01.",
    "WS-04": "Messages of a byte to 10 MiB, whole and in fragments, are cuts enough.",
    "WS-10": "What is cut is the answer, into its events.",
    "WS-12": "A GiB, and nobody reads: three ways stand for the six, and there is nothing to cut.",
    "WS-14": "Sockets with buffers of 2 KiB cut better than a client could; each way takes seconds.",
    "TUN-15": "The secret goes over TLS only.",
    "TUN-17": "About how tunnels end.",
    "TUN-21": "As TUN-17.",
    "TLS-03": "A handshake alone, which the client's TLS library writes. Inside tunnels the same function serves it.",
    "TLS-05": "As TLS-03.",
    "TLS-06": "As TLS-03.",
    "TLS-08": "As TLS-03; a ClientHello in many segments has a test without a number.",
    "TLS-13": "A start that fails: nothing is sent.",
    "SEC-27": "About what is not TLS.",
}

_NAMES = "|".join(each.name.lower() for each in CLASSES)
_IN_TEST = re.compile(rf"_({_NAMES})((?:_\d\d)+)(?=_)")
_IN_ID = re.compile(rf"(?<![\w-])({_NAMES})-(\d\d)(?= )")


def cases_of(test: str, identity: str = "") -> list[str]:
    """
    The cases that a test run names, by the name of its function and by the id of its parameters.

    `test_h1_08_10_...` names two, as does `test_tun_21_aud_09_...`; `[pol-07 escaped dot-http]` names one.
    """
    in_identity = (f"{name.upper()}-{number}" for name, number in _IN_ID.findall(identity))
    return list(dict.fromkeys([*_in_name(test), *in_identity]))


def _in_name(test: str) -> Iterator[str]:
    for name, numbers in _IN_TEST.findall(test):
        for number in numbers.strip("_").split("_"):
            yield f"{name.upper()}-{number}"


def names_a_case(source: str) -> bool:
    """Whether the name of a test in a file's text names one."""
    return any(cases_of(test) for test in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE))
