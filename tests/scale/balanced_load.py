"""
Clients that keep asking through one address, and remember what became of every request.

Each opens a connection, asks some times and closes it, by absolute-form requests and by TLS in CONNECT tunnels in turn;
so no request is ever sent on a connection that the other side may close as idle.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Self

from tests.fakes.internet import Internet
from tests.fakes.running_proxy import ProxyCA, request
from tests.fakes.wire_client import Session, connect, open_connect_tunnel

CLIENTS = 6
REQUESTS_A_CONNECTION = 4
# Between two connections of a client: the machine has other tests to run.
PAUSE = 0.01
PATIENCE = 30.0


class BalancedLoad:
    """
    `with` starts the clients and sees them end; `answered` and `failures` are the sum of all of them.

    CONNECT counts as a request: it has an audit record of its own.
    """

    def __init__(self, address: tuple[str, int], internet: Internet, ca: ProxyCA) -> None:
        self._address, self._internet, self._context = address, internet, ca.client_context()
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"client {n}", args=(n,)) for n in range(CLIENTS)]
        self.answered = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads)

    def until(self, holds: Callable[[], bool]) -> None:
        """Go on until something holds; asked after each answer. Raises AssertionError when it takes too long."""
        deadline = monotonic() + PATIENCE
        with self._changed:
            while not holds():
                assert monotonic() < deadline, f"{self.answered} answers, {self.failures}"
                self._changed.wait(1.0)

    def until_more(self, count: int) -> None:
        """Go on until so many more requests have been answered."""
        wanted = self.answered + count
        self.until(lambda: self.answered >= wanted)

    def _run(self, number: int) -> None:
        turn = number
        while not self._ending.wait(PAUSE):
            turn += 1
            try:
                if turn % 2:
                    self._ask_plainly()
                else:
                    self._ask_in_a_tunnel()
            except (OSError, EOFError, IndexError) as error:      # IndexError: CONNECT was answered by an end
                self._note(f"{type(error).__name__}: {error}")

    def _ask_plainly(self) -> None:
        authority = f"ok.test:{self._internet.plain_port}"
        with Session(connect(self._address)) as session:
            self._ask(session, f"http://{authority}/", authority)

    def _ask_in_a_tunnel(self) -> None:
        authority = f"ok.test:{self._internet.tls_port}"
        with connect(self._address) as sock:
            open_connect_tunnel(sock, authority)
            self._note()
            with Session(self._context.wrap_socket(sock, server_hostname="ok.test")) as session:
                self._ask(session, "/", authority)

    def _ask(self, session: Session, target: str, authority: str) -> None:
        for _ in range(REQUESTS_A_CONNECTION):
            session.send(request(target, authority))
            answer = session.read_answer()
            if answer.status != 200 or not answer.is_complete:
                raise EOFError(f"{target} was answered with status {answer.status}")
            self._note()

    def _note(self, failure: str | None = None) -> None:
        with self._changed:
            if failure is None:
                self.answered += 1
            else:
                self.failures.append(failure)
            self._changed.notify_all()
