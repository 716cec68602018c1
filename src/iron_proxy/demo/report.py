"""
The demo as a person reads it: who holds what, the configuration, and a table of what the three parties saw.

Renderables only; `cli/demo.py` prints them. All text is plain or `Text`, never markup: what came over the wire must not
be read as formatting. Colours repeat what the words say.
"""

import json
from collections.abc import Mapping
from textwrap import indent

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from iron_proxy.demo.checks import Surprises, redacted_in, swapped_in
from iron_proxy.demo.observation import ClientView, DemoRun, Observation, OriginView
from iron_proxy.demo.scenario import BLOCKED_HOST, EVENTS, MESSAGE, SECRETS, STEPS, Kind, Route, Step

_TOKEN, _SECRET, _GOOD, _BAD, _QUIET, _STRONG = "yellow", "bold magenta", "green", "bold red", "dim", "bold"

# In a terminal of 80 columns the widths are these, and most of what stands in a cell just fits.
_COLUMNS = (("request", 15), ("client sent, → saw", 22), ("origin saw", 22), ("audit line", 16))

_ROUTES = {Route.DNS: "by DNS", Route.CONNECT: "by CONNECT tunnel", Route.SOCKS5: "by SOCKS5 tunnel"}


def introduction() -> RenderableType:
    """What is about to happen; shown before it does."""
    text = (
        f"A client sends {len(STEPS)} requests through iron-proxy to an origin that plays the internet. All three run "
        "on this machine, with real TLS, and nothing leaves it."
    )
    holders = [
        Text.assemble(f"  {secret.name:<16}", (f"{secret.token:<21}", _TOKEN), (secret.value, _SECRET))
        for secret in SECRETS
    ]
    heading = Text(f"  {'':<16}{'the client holds':<21}only the proxy holds", _QUIET)
    return Group(Text("iron-proxy demo", _STRONG), Text(text), Text(), heading, *holders, Text())


def report(run: DemoRun, surprises: Surprises) -> RenderableType:
    """Everything else."""
    return Group(
        Text("The proxy's whole configuration:", _STRONG),
        _configuration(run.configuration),
        Text(),
        _table(run, surprises),
        _notes(run),
        *_one_audit_line(run),
        _verdict(run, surprises),
    )


def _configuration(text: str) -> Text:
    shown = Text(indent(text.rstrip("\n"), "  "))
    shown.highlight_regex(r"#.*", _QUIET)
    return _highlighted(shown)


def _table(run: DemoRun, surprises: Surprises) -> Table:
    table = Table(show_lines=True, expand=True, header_style=_STRONG)
    for heading, ratio in _COLUMNS:
        # A token that is cut off cannot be recognised: rather break it.
        table.add_column(heading, ratio=ratio, overflow="fold")
    for observation in run.observations:
        number = observation.step.number
        table.add_row(
            _request_cell(observation.step, is_as_expected=number not in surprises.of_steps),
            _client_cell(observation.step, observation.client),
            _origin_cell(observation),
            _audit_cell(observation),
        )
    return table


def _request_cell(step: Step, *, is_as_expected: bool) -> Text:
    mark = Text("as expected", _GOOD) if is_as_expected else Text("SURPRISE", _BAD)
    return _lines(Text(f"{step.number} {step.title}", _STRONG), Text(_ROUTES[step.route], _QUIET), mark)


def _client_cell(step: Step, client: ClientView) -> Text:
    lines = [Text(f"{step.host}{step.target}")]
    if step.header is not None:
        lines.append(Text(": ".join(step.header)))
    if client.error:
        lines.append(Text(f"→ {client.error}", _BAD))
    else:
        seen = f"→ {client.status} {client.reason} {client.body}".rstrip()
        lines.append(Text(seen, _GOOD if client.status is not None and client.status < 400 else _BAD))
    if step.kind is Kind.WEBSOCKET and not client.error:
        lines.append(Text(f"the message {MESSAGE}"))
    lines.extend(Text(f"→ {message}") for message in client.messages)
    return _highlighted(_lines(*lines))


def _origin_cell(observation: Observation) -> Text:
    if not observation.origin:
        return Text("nothing", _QUIET)
    lines = [line for view in observation.origin for line in _origin_lines(view, observation.step)]
    if observation.step.kind is Kind.EVENTS and observation.client.messages == EVENTS:
        lines.append(Text("and sent each event once the client had read the one before", _QUIET))
    return _highlighted(_lines(*lines))


def _origin_lines(view: OriginView, step: Step) -> list[Text]:
    lines = [Text(f"{view.method} {view.target}")]
    if step.header is not None:
        lines.append(Text(f"{step.header[0]}: {view.header(step.header[0])}"))
    if step.echo is not None:
        lines.append(Text("and sent it back", _QUIET))
    lines.extend(Text(f"the message {message}, and echoed it") for message in view.messages)
    return lines


def _audit_cell(observation: Observation) -> Text:
    record = observation.audit
    if record is None:
        return Text("there is none", _BAD)
    is_allowed = record.get("action") == "allow"
    lines = [Text(f"{record.get('action')} {record.get('status_code')}", _GOOD if is_allowed else _BAD)]
    if "rejected_by" in record:
        lines.append(Text(f"rejected_by {record['rejected_by']}: {record.get('reason', '')}"))
    if "error" in record:
        lines.append(Text(f"error: {record['error']}", _BAD))
    lines.extend(Text(f"swapped {swap['secret']} in {_joined(swap['locations'])}") for swap in swapped_in(record))
    lines.extend(Text(f"redacted it in the answer's {_joined(each['locations'])}") for each in redacted_in(record))
    if observation.tunnel_audit is not None:
        lines.append(Text(f"+ one for the tunnel: {observation.tunnel_audit.get('action')}", _QUIET))
    return _lines(*lines)


def _notes(run: DemoRun) -> Text:
    port = run.addresses["origin"].rpartition(":")[2]
    looked_up = ", ".join(run.names_looked_up) or "none"
    return Text(
        f"By DNS: the proxy's DNS server gave its own address for the name, and the client connected there. "
        f"All URLs are https or wss, with the origin's port behind the host name (:{port} in this run). "
        f"Names that the proxy looked up: {looked_up}.\n",
        _QUIET,
    )


def _one_audit_line(run: DemoRun) -> list[RenderableType]:
    """In full, with blanks to wrap it at: the first one that tells of a secret."""
    for observation in run.observations:
        if observation.audit is not None and swapped_in(observation.audit):
            title = Text(f"The audit line of request {observation.step.number} in full:", _STRONG)
            return [title, Text(json.dumps(observation.audit)), Text()]
    return []


def _verdict(run: DemoRun, surprises: Surprises) -> Text:
    if not surprises.sentences:
        return _lines(
            Text(f"All {len(run.observations)} requests went as they should, in {run.seconds:.1f} s.", _GOOD),
            Text(
                "The client never held a real secret, not even where the origin sent one back. "
                f"{BLOCKED_HOST} was neither looked up nor reached."
            ),
        )
    count = len(surprises.sentences)
    title = Text(f"{count} surprise{'s' if count > 1 else ''} (the proxy's log: iron-proxy demo --json)", _BAD)
    return _lines(title, *(Text(f"- {sentence}") for sentence in surprises.sentences))


def _lines(*lines: Text) -> Text:
    return Text("\n").join(lines)


def _highlighted(text: Text) -> Text:
    styles: Mapping[str, list[str]] = {
        _TOKEN: [secret.token for secret in SECRETS],
        _SECRET: [secret.value for secret in SECRETS],
    }
    for style, words in styles.items():
        text.highlight_words(words, style)
    return text


def _joined(locations: object) -> str:
    return ", ".join(map(str, locations)) if isinstance(locations, list) else str(locations)
