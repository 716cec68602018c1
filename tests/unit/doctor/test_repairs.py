"""The command that repairs what was found missing."""

import pytest

from iron_proxy.doctor import repairs
from iron_proxy.doctor.clients import CLIENTS
from iron_proxy.doctor.repairs import repair_for, system_store_command
from iron_proxy.doctor.verdicts import SYSTEM_STORE, WORKS, Reason, Verdict, Way

BY_NAME = {client.name: client for client in CLIENTS}
UNTRUSTED = Verdict(Reason.UNTRUSTED, "", "CURL_CA_BUNDLE")
NO_STORE = Verdict(Reason.UNTRUSTED, "", SYSTEM_STORE)
PAST_IT = Verdict(Reason.NOT_PROXIED, "")
FAILED = Verdict(Reason.FAILED, "")
WIRING = 'eval "$(iron-proxy env -config x)"'


@pytest.mark.parametrize(
    ("verdicts", "proxied", "command"),
    [
        ({Way.AS_IT_IS: UNTRUSTED, Way.ROUTED: WORKS, Way.PROXIED: WORKS}, True, WIRING),
        ({Way.AS_IT_IS: UNTRUSTED, Way.ROUTED: WORKS}, False, WIRING),
        ({Way.AS_IT_IS: PAST_IT, Way.ROUTED: WORKS, Way.PROXIED: PAST_IT}, True, "iron-proxy run -- curl"),
        ({Way.AS_IT_IS: FAILED, Way.ROUTED: FAILED, Way.PROXIED: FAILED}, True, ""),
        ({Way.ROUTED: FAILED}, False, ""),
    ],
)
def test_what_helps_is_what_worked(verdicts: dict[Way, Verdict], proxied: bool, command: str) -> None:
    assert repair_for(BY_NAME["curl"], verdicts, WIRING, "ca.crt", proxied=proxied) == command


def test_a_client_that_reads_the_system_store_needs_the_ca_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairs, "system_store_command", lambda ca: f"store {ca}")

    assert repair_for(BY_NAME["wget"], {Way.ROUTED: NO_STORE}, WIRING, "/x/ca.crt", proxied=False) == "store /x/ca.crt"


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
        ("/etc/pki/trust/anchors", "update-ca-certificates"),
        ("/usr/local/share/ca-certificates", "update-ca-certificates"),
    ],
)
def test_each_system_has_its_folder_and_its_program(folder: str, command: str) -> None:
    told = system_store_command("/a b/ca.crt", folder.__eq__, is_root=True)

    assert told == f"cp '/a b/ca.crt' {folder}/iron-proxy.crt && {command}"


def test_debians_way_is_told_where_nothing_is_known() -> None:
    assert "/usr/local/share/ca-certificates/" in system_store_command("x", lambda folder: False, is_root=True)


def test_who_is_not_root_needs_sudo_if_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/sudo")

    assert system_store_command("x", lambda folder: False, is_root=False).count("sudo ") == 2
