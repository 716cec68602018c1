"""
`iron-proxy explain METHOD URL`: what a configuration would do with a request that nobody has sent.

The engine is `inspection/explanation.py`; here are the flags, the words and the exit status: 0 allowed, 1 denied, 2 a
question or a configuration that cannot be used. Nothing is connected to. Called by `cli/main.py`.
"""

import asyncio
import sys
from typing import TYPE_CHECKING

from iron_proxy.cli.arguments import read_words_and_flags
from iron_proxy.cli.complaints import complain
from iron_proxy.cli.main import FAILURE, OK, USAGE
from iron_proxy.cli.policy_file import PolicyFile, read_policy
from iron_proxy.cli.standard_output import write_document
from iron_proxy.config.problems import did_you_mean
from iron_proxy.errors import ConfigError
from iron_proxy.go_compat.flags import Flag, FlagSet, ParsedFlags

if TYPE_CHECKING:                                # heavy: not for a usage error
    from iron_proxy.inspection.explanation import Explanation, Setting

FLAGS = FlagSet(
    "explain METHOD URL",
    [
        Flag("config", "", "the YAML file; without it, environment and defaults only", "FILE"),
        Flag("H", (), 'a header field of the request, as "Name: value"; may be given more than once', "FIELD"),
        Flag("client", "", "the name under clients of who asks", "NAME"),
        Flag("data", "", "the body of the request; @FILE is a file's content, @- what comes on standard input", "TEXT"),
        Flag("resolve", False, "look the host up, and judge its addresses by the deny list; uses the network"),
        Flag("json", False, "print one JSON object"),
    ],
)
# The same as a file of secrets may have; what is over max_request_body_bytes shows what happens to large bodies.
_MAX_BODY_BYTES = 16 * 1024 * 1024


def run(arguments: list[str]) -> int:
    """Explain one request; returns the exit status."""
    read = read_words_and_flags(FLAGS, arguments, ("METHOD", "URL"))
    if isinstance(read, int):
        return read
    (method, url), flags = read
    try:
        policy = read_policy(flags.text("config"))
        policy.problems.raise_if_any()
        answer = _explain(policy, method, url, flags)
    except ConfigError as error:
        return complain(*error.problems, status=USAGE)
    except (ValueError, OSError) as error:
        return complain(error, status=USAGE)
    _print(answer, policy.problems.source, is_json=flags.boolean("json"))
    return OK if answer.verdict in ("allowed", "answered") else FAILURE


def _explain(policy: PolicyFile, method: str, url: str, flags: ParsedFlags) -> "Explanation":
    from iron_proxy.inspection.explanation import explain

    client = flags.text("client")
    names = [each.name for each in policy.config.clients]
    if client and client not in names:
        raise ValueError(f'-client: there is no client "{client}"{did_you_mean(client, names)}')
    fields = [_field(text) for text in flags.texts("H")]
    body, setting = _body(flags.text("data")), _setting(policy, is_resolving=flags.boolean("resolve"))
    return asyncio.run(explain(policy.pipeline, method, url, fields, client, body, setting))


def _setting(policy: PolicyFile, *, is_resolving: bool) -> "Setting":
    from iron_proxy.inspection.explanation import Setting
    from iron_proxy.matching.host_patterns import HostPattern
    from iron_proxy.upstream.deny_list import DenyList
    from iron_proxy.upstream.resolver import Resolver, SystemResolver, UpstreamResolver

    config = policy.config
    patterns = tuple(map(HostPattern.parse, config.tls.passthrough))
    server = config.dns.upstream_resolver
    resolver: Resolver = SystemResolver() if server is None else UpstreamResolver(str(server))
    return Setting(
        DenyList(config.proxy.upstream_deny_cidrs),
        lambda host: config.tls.mode == "sni-only" or any(pattern.matches(host) for pattern in patterns),
        config.proxy.require_client,
        resolver.resolve if is_resolving else None,
    )


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f'-H "{text}" is not a header field; write -H "Name: value"')
    return name.strip(), value.strip(" \t")


def _body(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    if text == "@-":
        content = sys.stdin.buffer.read(_MAX_BODY_BYTES + 1)
    else:
        with open(text[1:], "rb") as file:
            content = file.read(_MAX_BODY_BYTES + 1)
    if len(content) > _MAX_BODY_BYTES:
        raise ValueError(f"-data: a body is at most {_MAX_BODY_BYTES} bytes")
    return content


def _print(answer: "Explanation", source: str, *, is_json: bool) -> None:
    import msgspec

    from iron_proxy.inspection.explanation_text import explanation_lines

    if is_json:
        write_document(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n")
        return
    for line in explanation_lines(answer, source):
        print(line)
