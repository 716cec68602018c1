"""
The pytest plugin: tests that reach for the network without leave fail, and are told what would allow it.

Loaded by pytest through its entry point. Everything heavy is imported when the first guarded test begins: a project
that has iron-proxy installed and guards nothing pays some milliseconds.
"""

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:  # heavy: only for tests that are guarded
    from iron_proxy.testing.allowed_egress import AllowedEgress
    from iron_proxy.testing.egress_guard import EgressGuard
    from iron_proxy.testing.egress_seen import Seen
    from iron_proxy.testing.running import Proxy

_NAME: Final = "iron-proxy egress"
_WORKER_KEY: Final = "iron_proxy_egress"
_MARKER: Final = (
    "egress(*hosts): guard this test, and let it reach these hosts besides those of egress_allow "
    "(api.example.com, db.example.com:5432, *.example.com, 10.0.0.0/8)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and keys; `docs/howto/test-with-the-egress-guard.md` has the same table."""
    group = parser.getgroup("egress", "egress guard (iron-proxy)")
    group.addoption("--egress-guard", action="store_true", help="guard every test, as with the key egress_guard")
    group.addoption(
        "--egress-record", metavar="FILE",
        help="let every test reach what it wants, and write the rules that would allow just that",
    )  # fmt: skip
    group.addoption("--egress-report", action="store_true", help="tell at the end what guarded tests reached for")
    parser.addini("egress_guard", "guard every test, not only those that ask for it", type="bool", default=False)
    parser.addini("egress_allow", "hosts that every guarded test may reach, one a line", type="linelist", default=[])
    parser.addini("egress_rules", "a YAML file with rules of what every guarded test may reach", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register what guards."""
    config.addinivalue_line("markers", _MARKER)
    config.pluginmanager.register(EgressPlugin(config), _NAME)


@pytest.fixture
def egress_guard(request: pytest.FixtureRequest) -> "Proxy":
    """
    Guard this test. The value is the proxy that its requests go through (`iron_proxy.testing.Proxy`).

    The guard begins before any other fixture of the test does, those of wider scope included.
    """
    plugin: EgressPlugin = request.config.pluginmanager.getplugin(_NAME)
    return plugin.proxy


class EgressPlugin:
    """The hooks, with what a session needs. In a run of pytest-xdist every worker has its own guard and proxies."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._record_file: str | None = config.getoption("egress_record")
        self._guards_all = bool(config.getoption("egress_guard") or config.getini("egress_guard") or self._record_file)
        self._guard: EgressGuard | None = None
        self._allowed: AllowedEgress | None = None
        self._pending: list[Seen] = []  # refused, and not told yet
        self._seen: list[tuple[str, Seen]] = []  # (test, what it reached for)
        self._records: list[dict[str, Any]] = []

    @property
    def proxy(self) -> "Proxy":
        """That of the test under way."""
        assert self._guard is not None  # noqa: S101 - for the type checker: the fixture is there in guarded tests only
        assert self._guard.proxy is not None  # noqa: S101 - the same
        return self._guard.proxy

    # --- one test ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """The guard begins before the fixtures."""
        if self._is_guarded(item):
            self._begin(item)
        return (yield from self._told_beside_errors(item, "setup"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test that went well fails for what it reached for, even if it swallowed the error."""
        result = yield from self._told_beside_errors(item, "call")
        self._fail_if_unexpected(item)
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """What finalizers reach for counts too; then the process is as it was before."""
        try:
            result = yield from self._told_beside_errors(item, "teardown")
            self._fail_if_unexpected(item)
        finally:
            if self._guard is not None:
                self._guard.end()
            self._pending.clear()
        return result

    def _is_guarded(self, item: pytest.Item) -> bool:
        asks = "egress_guard" in getattr(item, "fixturenames", ()) or item.get_closest_marker("egress") is not None
        return self._guards_all or asks

    def _begin(self, item: pytest.Item) -> None:
        from iron_proxy.errors import ConfigError
        from iron_proxy.testing.allowed_egress import allowed_by_lines
        from iron_proxy.testing.egress_guard import EgressGuard

        try:
            if self._allowed is None:
                self._allowed = self._allowed_everywhere()
            lines = [str(line) for marker in item.iter_markers("egress") for line in marker.args]
            allowed = self._allowed + allowed_by_lines(lines, f"the marker egress of {item.nodeid}")
        except ConfigError as error:
            pytest.fail("\n".join(error.problems), pytrace=False)
        if self._guard is None:
            self._guard = EgressGuard(observes=self._record_file is not None)
        self._guard.begin(allowed)

    def _allowed_everywhere(self) -> "AllowedEgress":
        from iron_proxy.testing.allowed_egress import AllowedEgress, allowed_by_file, allowed_by_lines

        rules = self._config.getini("egress_rules")
        # While the file is written it may not be there yet, and nothing is refused.
        reads = rules and not self._record_file
        from_file = allowed_by_file(self._config.rootpath / rules) if reads else AllowedEgress()
        return allowed_by_lines(self._config.getini("egress_allow"), "egress_allow") + from_file

    def _told_beside_errors(self, item: pytest.Item, phase: str) -> Generator[None, Any, Any]:
        """An error of the test's own stays what it is; what was refused is told beside it."""
        try:
            result = yield
        except BaseException:
            self._collect(item)
            if self._pending:
                item.add_report_section(phase, "egress guard", self._message())
            raise
        self._collect(item)
        return result

    def _collect(self, item: pytest.Item) -> None:
        if self._guard is None:
            return
        seen = self._guard.take_seen()
        self._seen += [(item.nodeid, each) for each in seen]
        if self._record_file is None:
            self._pending += [each for each in seen if not each.is_allowed]

    def _fail_if_unexpected(self, item: pytest.Item) -> None:
        if self._pending:
            pytest.fail(f"{item.nodeid}: {self._message()}", pytrace=False)

    def _message(self) -> str:
        from iron_proxy.testing.egress_seen import refusal_message

        message = refusal_message(self._pending)
        self._pending.clear()
        return message

    # --- the session ------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, Any]:
        """A worker hands over what it saw; whoever has it all writes the file."""
        if self._guard is not None:
            self._records += self._guard.records
            self._guard.close()
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_WORKER_KEY] = json.dumps([self._records, self._seen])
        result = yield
        if output is None and self._record_file is not None and not session.config.option.collectonly:
            self._write(Path(session.config.invocation_params.dir, self._record_file))
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of pytest-xdist saw; one that crashed hands over nothing."""
        from iron_proxy.testing.egress_seen import Seen

        text = getattr(node, "workeroutput", {}).get(_WORKER_KEY)
        if text is not None:
            records, seen = json.loads(text)
            self._records += records
            self._seen += [(test, Seen(*each)) for test, each in seen]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """`--egress-report`, and where the rules were written."""
        if self._config.getoption("egress_report"):
            terminalreporter.section("egress")
            for line in self._report_lines():
                terminalreporter.write_line(line)
        if self._record_file is not None and not self._config.option.collectonly:
            terminalreporter.write_line(f"egress rules written to {self._record_file}")

    def _report_lines(self) -> Iterator[str]:
        from iron_proxy.testing.egress_report import report_lines

        return report_lines(self._seen)

    def _write(self, path: Path) -> None:
        from iron_proxy.testing.recorded_rules import recorded_rules

        text = recorded_rules(self._records, [seen for _, seen in self._seen])
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            reason = (error.strerror or "cannot be written").lower()
            raise pytest.UsageError(f"--egress-record={path}: {reason}") from error
