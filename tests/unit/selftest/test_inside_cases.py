import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.selftest_world import ADDRESS, leaky_place

from iron_proxy.selftest.inside_cases import metadata_services, own_machine, own_pages, traced
from iron_proxy.selftest.place import Outside, Place
from iron_proxy.selftest.trial import Trial

RUN = "0123456789abcdef"


@pytest.fixture(params=[200, 302, 401, 403, 404, 502])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """A status, and the port of a server that answers everything with it."""
    status: int = request.param
    with socket.create_server((ADDRESS, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield status, listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_metadata_service_is_reached_when_it_answers_and_not_when_somebody_refuses(server: tuple[int, int]) -> None:
    status, port = server
    place = Place(RUN, outside=Outside(metadata=(ADDRESS,), metadata_port=port))
    trial = Trial(place, "metadata")

    metadata_services(place, trial)

    assert bool(trial.proofs) is (status in (200, 302, 401)), trial.notes


def test_the_proxys_loopback_is_tried_in_spellings(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        trial = Trial(place, "loopback")
        own_machine(place, trial)

    reached = {proof.removeprefix("the proxy connected to ") for proof in trial.proofs}
    assert {"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"} <= reached
    assert "127.0.0.1.sslip.io" not in reached


def test_pages_of_the_proxy_are_tried_at_its_own_port_too(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        trial = Trial(replace(place, timeout=0.5), "proxy-pages")
        own_pages(trial.place, trial)
        assert place.proxy is not None
        own = f"127.0.0.1:{place.proxy.target.port} by the proxy"

    assert any(note.startswith(own) for note in trial.notes)
    assert trial.proofs == [f"127.0.0.1:{place.outside.page_ports[0]} answered with status 200"]


def test_a_trace_that_is_answered_without_the_request_did_not_come_back(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        trial = Trial(replace(place, proxy=None, allowed=place.denied_addresses[0]), "trace")
        traced(trial.place, trial)

    assert trial.proofs == []
    assert trial.notes[0].endswith("status 200")


def test_cases_that_need_something_say_so() -> None:
    with pytest.raises(ValueError, match="needs a proxy"):
        own_pages(Place(RUN), Trial(Place(RUN), "proxy-pages"))
    with pytest.raises(ValueError, match="needs an allowed endpoint"):
        traced(Place(RUN), Trial(Place(RUN), "trace"))
