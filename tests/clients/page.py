"""
docs/reference/clients.md: the table of clients by routings, written by a test run and compared by every other.

The prose is that of page.md. `WRITE_CLIENTS_PAGE=1` writes the page. Compared is what ran: a client that this machine
lacks is left out.
"""

from collections.abc import Mapping
from pathlib import Path

from tests.clients.jobs import NO_HTTP2, Job, Routing, Row

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "clients.md"
PASSES = "yes"
NOT_RUN = "not run"

Cells = dict[tuple[Row, Routing], str]

TEMPLATE = Path(__file__).with_name("page.md")


def cells_of(job: Job, passed: set[Routing], before: Cells) -> Cells:
    """The whole row as it should stand on the page when these routings passed; what did not run stays as it was."""
    pending = NO_HTTP2 if job.http2 else NOT_RUN
    return {
        (job.row, routing): job.cannot.get(routing)
        or (PASSES if routing in passed or before.get((job.row, routing)) == PASSES else pending)
        for routing in Routing
    }


def read_page(text: str) -> Cells:
    """The cells of the first table."""
    cells: Cells = {}
    columns: list[Routing] = []
    for line in text.splitlines():
        if line.startswith("| client |"):
            columns = [Routing(heading.strip("`")) for heading in _columns(line)[2:]]
        elif columns and not line:
            break
        elif columns and not line.startswith("|---"):
            client, what, *rest = _columns(line)
            cells |= {(Row(client, what), column): cell for column, cell in zip(columns, rest, strict=True)}
    return cells


def _columns(line: str) -> list[str]:
    return [column.strip() for column in line.strip("|").split("|")]


def write_page(cells: Cells, versions: Mapping[str, str]) -> str:
    """The page's text: the template with the table, a client's rows together."""
    clients = list(dict.fromkeys(row.client for row, _ in cells))
    rows = sorted(dict.fromkeys(row for row, _ in cells), key=lambda row: clients.index(row.client))
    headings = ["client", "what it does", *(f"`{each.value}`" if each.is_variable else each.value for each in Routing)]
    lines = [headings]
    lines += [[row.client, row.what, *(cells[row, routing] for routing in Routing)] for row in rows]
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    table = "\n".join([head, "|---" * len(headings) + "|", *body])
    seen = ", ".join(f"{name} {version}" for name, version in versions.items())
    return TEMPLATE.read_text(encoding="utf-8").replace("TABLE", table).replace("VERSIONS", seen)
