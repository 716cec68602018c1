import ipaddress
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.selftest_world import leaky_place

from iron_proxy.config.proxy_urls import parse_proxy_url
from iron_proxy.selftest.place import Place
from iron_proxy.selftest.policy_cases import plain_requests, spelled_names, spellings_of_address, spellings_of_name
from iron_proxy.selftest.session import run_selftest
from iron_proxy.selftest.trial import Trial


@pytest.mark.parametrize("address", ["203.0.113.9", "127.0.0.1", "10.255.0.1"])
def test_spellings_of_an_address_all_mean_it(address: str) -> None:
    for spelling in spellings_of_address(address):
        text = spelling.decode().removesuffix(".")
        if text[:1] != "[":
            assert socket.inet_ntoa(socket.inet_aton(text)) == address
        else:
            inside = ipaddress.IPv6Address(text[1:-1]).packed
            assert ipaddress.IPv4Address(address).packed in (inside[12:], inside[2:6])


def test_spellings_of_a_name_are_other_than_the_name_and_hold_it_or_a_form_of_it() -> None:
    spellings = spellings_of_name("denied.test", b"allowed.test")

    assert b"denied.test" not in spellings
    assert len(set(spellings)) == len(spellings)
    assert {b"denied.test.", b"DENIED.TEST", b"denied%2etest", b"allowed.test@denied.test"} <= set(spellings)


@pytest.mark.parametrize("scheme", ["http", "socks5", None])
def test_names_are_tried_by_every_way_in(scheme: str | None, tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        assert place.proxy is not None
        way = parse_proxy_url(f"{scheme}://127.0.0.1:{place.proxy.target.port}") if scheme else None
        denied = place.denied_addresses if way is None else place.denied
        trial = Trial(replace(place, proxy=way, denied=denied), "denied-host")
        plain_requests(trial.place, trial)

    assert all(note.endswith("status 200") for note in trial.notes)


def test_where_no_proxy_is_named_a_spelling_goes_into_the_host_field(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        there = replace(place.denied_names[0], host="localhost")
        trial = Trial(replace(place, proxy=None, denied=(there,)), "spelled-name")
        spelled_names(trial.place, trial)

    assert len(trial.notes) == len(spellings_of_name("localhost", b"allowed.test"))
    assert any(note.endswith("status 200") for note in trial.notes)


def test_cases_without_endpoints_ask_for_the_public_page(tmp_path: Path) -> None:
    with leaky_place(tmp_path) as place:
        public = Place(place.run, proxy=place.proxy, outside=place.outside)
        trial = Trial(public, "denied-host")
        plain_requests(public, trial)

    assert trial.notes == [f"GET {place.outside.page}/: status 200"]
    assert run_selftest(Place("0" * 16), [], lambda: None).findings == ()
