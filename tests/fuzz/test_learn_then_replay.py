"""
What is learned from an audit log changes nothing about it: each request is judged as it was.

Random policies judge random requests by the engine that serves; what they say becomes audit lines in either envelope,
rules are learned of them, and the configuration that is written is put to the same lines again.
"""

import asyncio
import json
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from iron_proxy.audit.envelopes import ENVELOPES
from iron_proxy.audit.outcome import Allowed, Rejected
from iron_proxy.audit.record import request_record
from iron_proxy.audit_reading.entries import Entry, once_each, read_entries
from iron_proxy.audit_reading.sources import ReadingTally
from iron_proxy.cli.audit_files import client_names, judge_of
from iron_proxy.config.loading import examine_config
from iron_proxy.config.schema import Config
from iron_proxy.learning.configuration_text import with_rules
from iron_proxy.learning.observations import Observations
from iron_proxy.learning.replay import Replay
from iron_proxy.learning.rules import learned_rules
from iron_proxy.messages.ambiguous_path import path_is_ambiguous
from iron_proxy.messages.authority import DEFAULT_PORTS, parse_target
from iron_proxy.messages.request import Request
from iron_proxy.pipeline.exchange import Exchange
from iron_proxy.pipeline.pipeline import Permit, Pipeline
from iron_proxy.pipeline.transform import Scope
from iron_proxy.runtime.assemble import build_pipeline

ADDRESSES = {"": "192.0.2.1:1000", "ci": "10.1.0.1:1000", "dev": "10.2.0.1:1000"}
HEAD = """\
dns: {enabled: false}
proxy: {https_listen: "off"}
clients: [{name: ci, cidrs: ["10.1.0.0/16"]}, {name: dev, cidrs: ["10.2.0.0/16"]}]
"""

hosts = st.sampled_from(["a.test", "a.test", "a.test", "b.test", "x.b.test", "192.0.2.9"])
methods = st.sampled_from(["GET", "POST", "OPTIONS"])
segments = st.sampled_from(["a", "b", "c", "d", "1", "2", "30", "app-1.0.tgz", "app-2.0.tgz", "st*r", "%2541", ""])
ambiguous_paths = st.sampled_from([b"/a%2fb", b"/a//b", b"/a/b%00", b"*"])
plain_paths = st.lists(segments, min_size=1, max_size=2).map(lambda parts: "/" + "/".join(parts)).map(str.encode)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """An element of an allowlist's `rules:`."""
    rule: dict[str, Any] = {"host": draw(st.sampled_from(["a.test", "b.test", "*.b.test", "*", "?.test", "192.0.2.9"]))}
    if draw(st.booleans()):
        rule["methods"] = draw(st.lists(methods, min_size=1, unique=True))
    if draw(st.booleans()):
        patterns = ["/a", "/b", "/c", "/1", "/2", "/a/1", "/a/2", "/a/*", "/?", "/app-1.*", "/*/b", "/", "/b/?*", "/*"]
        rule["paths"] = draw(st.lists(st.sampled_from(patterns), min_size=1, max_size=4, unique=True))
    if draw(st.booleans()):
        rule["ports"] = draw(st.sampled_from([[443], [80, 443], [8443]]))
    if draw(st.booleans()):
        rule["schemes"] = draw(st.sampled_from([["https"], ["http"]]))
    if draw(st.booleans()):
        rule["clients"] = draw(st.sampled_from([["ci"], ["dev"], ["ci", "dev"]]))
    return rule


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, str, bytes, str]:
    """(method, scheme, authority, raw path, client)."""
    scheme = draw(st.sampled_from(["https", "https", "http"]))
    authority = draw(hosts) + draw(st.sampled_from(["", "", ":8443", ":443"]))
    client = draw(st.sampled_from([*ADDRESSES]))
    if draw(st.integers(0, 5)) == 0:
        return "CONNECT", "tunnel", authority if ":" in authority else f"{authority}:443", b"", client
    return draw(methods), scheme, authority, draw(plain_paths | ambiguous_paths), client


def audit_line(pipeline: Pipeline, config: Config, asked: tuple[str, str, str, bytes, str], envelope: str) -> bytes:
    """The record of a request as the proxy would have left it."""
    method, scheme, authority, raw_path, client = asked
    target = parse_target(authority.encode(), DEFAULT_PORTS.get(scheme))
    is_passed = scheme == "https" and target.host in config.tls.passthrough
    request = Request("" if is_passed else method, scheme, target, b"" if is_passed else raw_path)
    request.client_name = client
    traces: list[dict[str, Any]] = []
    scope = Scope.TUNNEL if is_passed or method == "CONNECT" else Scope.REQUEST
    decision = asyncio.run(pipeline.run_request(Exchange(request), traces, scope))
    is_let_through = isinstance(decision, Permit)
    outcome = Allowed(200) if is_let_through else Rejected(403, decision.verdict.reason, decision.by)  # type: ignore[union-attr]
    host = str(target) if method == "CONNECT" else target.host_text(scheme)
    record = request_record(
        outcome, request_id="a-1", host=target.host if is_passed else host, method=request.method,
        path=request.path, client=ADDRESSES[client], server_name=target.host if scheme == "https" else "",
        duration=0.1, request_traces=traces, response_traces=[],
    )  # fmt: skip
    if client:
        record.client = client
    if is_passed:
        record.mode = "passthrough"
        if target.port != 443:
            record.original_destination = f"192.0.2.9:{target.port}"
    elif path_is_ambiguous(raw_path):
        record.ambiguous_path = True
    return ENVELOPES[envelope](record)


def loaded(text: str) -> tuple[Config, Pipeline]:
    config, problems = examine_config("policy.yaml", {}, lambda _: text.encode())
    pipeline = build_pipeline(config, {})
    assert problems.errors == []
    return config, pipeline


def replayed(text: str, entries: list[Entry]) -> Replay:
    replay = Replay(judge_of(*loaded(text)))

    async def feed() -> None:
        for entry in entries:
            await replay.take(entry)

    asyncio.run(feed())
    return replay


def gets(raw_path: bytes) -> tuple[str, str, str, bytes, str]:
    return "GET", "https", "a.test", raw_path, ""


@given(
    policy=st.lists(rules(), min_size=1, max_size=4),
    asked=st.lists(requests(), min_size=1, max_size=30),
    is_warning=st.sampled_from([False, False, True]),
    passthrough=st.sampled_from([[], ["b.test"]]),
    envelope=st.sampled_from(["seed", "v0.46"]),
    max_names=st.sampled_from([0, 1, 2, 30]),
)
@example([{"host": "a.test"}], [gets(b"/a%2fb")], False, [], "seed", 30)
@example([{"host": "a.test"}], [gets(b"/a%2fb")], False, [], "v0.46", 30)
@example([{"host": "a.test", "paths": ["/1", "/2"]}], [gets(b"/1"), gets(b"/2"), gets(b"/30")], False, [], "seed", 30)
@example([{"host": "a.test", "paths": ["/a", "/b"]}], [gets(b"/a"), gets(b"/b"), gets(b"/c")], False, [], "seed", 1)
@example(
    [{"host": "a.test", "paths": ["/a/1", "/b/1"]}], [gets(b"/a/1"), gets(b"/b/1"), gets(b"/c/1")], False, [], "seed", 1
)
@example(  # one client's tunnel is refused, another's opened, and what comes inside refused
    [{"host": "a.test", "paths": ["/a"], "clients": ["ci"]}],
    [
        ("CONNECT", "tunnel", "a.test:443", b"", ""),
        ("CONNECT", "tunnel", "a.test:443", b"", "ci"),
        ("GET", "https", "a.test", b"/a%2fb", "ci"),
    ],
    False,
    [],
    "seed",
    0,
)
def test_what_was_learned_changes_nothing(
    policy: list[dict[str, Any]],
    asked: list[tuple[str, str, str, bytes, str]],
    is_warning: bool,
    passthrough: list[str],
    envelope: str,
    max_names: int,
) -> None:
    before = f"{HEAD}tls: {{passthrough: {json.dumps(passthrough)}}}\ntransforms:\n  - name: allowlist\n    config:\n"
    before += f"      rules: {json.dumps(policy)}\n      warn: {json.dumps(is_warning)}\n"
    config, pipeline = loaded(before)
    lines = [audit_line(pipeline, config, each, envelope) for each in asked]
    entries = list(once_each(entry for entry, _ in read_entries(lines, ReadingTally())))
    observations = Observations(*client_names(config))
    for entry in entries:
        observations.take(entry)
    assume(observations.requests)

    learned = learned_rules(observations, max_names=max_names)
    replay = replayed(with_rules(before, learned.rules, []), entries)

    assert replay.changes == []
    assert (replay.same, replay.changed, replay.unknown) == (len(entries), 0, {})
    assert sum(rule.requests for rule in learned.rules) <= observations.requests
