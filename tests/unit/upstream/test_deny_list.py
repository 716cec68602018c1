from ipaddress import IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iron_proxy.upstream.deny_list import DEFAULT_DENIED, DenyList, readings_of

DEFAULT = DenyList()


def configured(*networks: str) -> DenyList:
    return DenyList([ip_network(network) for network in networks])


def denied(deny_list: DenyList, address: str, *, named_literally: bool = False) -> bool:
    return deny_list.denied_network(address, named_literally=named_literally) is not None


# --- the built-in list ----------------------------------------------------------------------------------------------

EMBEDDING = {
    "IPv4-mapped": "::ffff:{hex}",
    "IPv4-compatible": "::{hex}",
    "NAT64": "64:ff9b::{hex}",
    "local-use NAT64": "64:ff9b:1::{hex}",
    "local-use NAT64 with a subnet": "64:ff9b:1:2:3:4:{hex}",
    "6to4": "2002:{hex}::1",
    "Teredo": "2001:0:8.8.8.8:0:ffff:{inverted}",
    "ISATAP": "2001:db8::5efe:{hex}",
    "ISATAP, globally unique": "2001:db8::200:5efe:{hex}",
}


def embedded(form: str, ipv4: str) -> str:
    number = int.from_bytes(bytes(map(int, ipv4.split("."))))
    inverted = number ^ 0xFFFFFFFF
    pattern = EMBEDDING[form].replace("8.8.8.8", "808:808")
    return pattern.format(
        hex=f"{number >> 16:x}:{number & 0xFFFF:x}", inverted=f"{inverted >> 16:x}:{inverted & 0xFFFF:x}"
    )


FORBIDDEN_IPV4 = [
    "127.0.0.1", "127.9.9.9", "127.255.255.255", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2",
    "169.254.170.23", "169.254.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        *FORBIDDEN_IPV4,
        "::", "::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
        "fe80::1%eth0", "::1%lo", "::ffff:127.0.0.5", "::ffff:a9fe:a9fe", "0:0:0:0:0:ffff:7f00:1",
    ],
)  # fmt: skip
def test_addresses_that_no_name_should_lead_to_are_denied(address: str) -> None:  # SSRF-01, 02, 03
    assert denied(DEFAULT, address)


@pytest.mark.parametrize("form", EMBEDDING)
@pytest.mark.parametrize("ipv4", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "168.63.129.16"])
def test_an_ipv6_address_is_judged_by_the_ipv4_address_it_carries(form: str, ipv4: str) -> None:
    assert denied(DEFAULT, embedded(form, ipv4))


@pytest.mark.parametrize("form", EMBEDDING)
def test_an_ipv6_address_may_carry_a_harmless_one(form: str) -> None:
    assert not denied(DEFAULT, embedded(form, "8.8.8.8"))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.0.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "10.0.0.1", "192.168.1.1",
     "172.16.0.1", "100.100.100.199", "192.0.0.193", "223.255.255.255", "2001:db8::1", "2606:4700::1", "fd00::1",
     "fd20:ce::253", "fe7f::1"],
)  # fmt: skip
def test_all_other_addresses_are_allowed_private_ones_too(address: str) -> None:
    assert not denied(DEFAULT, address)


@pytest.mark.parametrize("network", DEFAULT_DENIED, ids=str)
def test_each_network_is_denied_from_its_first_to_its_last_address(network: object) -> None:
    first, last = str(ip_network(str(network))[0]), str(ip_network(str(network))[-1])

    assert denied(DEFAULT, first)
    assert denied(DEFAULT, last)


# --- the operator's word --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"])
def test_an_address_that_the_operator_named_is_exempt_from_the_built_in_list(address: str) -> None:
    assert not denied(DEFAULT, address, named_literally=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_no_address_is_exempt_from_a_configured_list(address: str) -> None:
    assert denied(configured("127.0.0.0/8"), address, named_literally=True)


def test_a_configured_list_replaces_the_built_in_one() -> None:
    assert not denied(configured("10.0.0.0/8"), "169.254.169.254")


@pytest.mark.parametrize("address", FORBIDDEN_IPV4)
def test_a_configured_empty_list_denies_nothing(address: str) -> None:
    assert not denied(DenyList([]), address)


UPSTREAMS_CASES = configured("169.254.169.254/32", "127.0.0.0/8", "::1/128")


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"])
def test_the_networks_of_a_configured_list_are_denied(address: str) -> None:
    assert denied(UPSTREAMS_CASES, address)


@pytest.mark.parametrize("address", ["169.254.169.253", "169.254.170.0", "128.0.0.0", "8.8.8.8", "::2", "2001:db8::1"])
def test_what_is_beside_the_networks_of_a_configured_list_is_allowed(address: str) -> None:
    assert not denied(UPSTREAMS_CASES, address)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_network_written_in_its_ipv4_mapped_form_means_the_ipv4_one(address: str) -> None:
    assert denied(configured("::ffff:10.0.0.0/104"), address)
    assert not denied(configured("::ffff:10.0.0.0/104"), "11.0.0.1")


def test_the_answer_names_the_network() -> None:
    assert UPSTREAMS_CASES.denied_network("::ffff:127.0.0.1", named_literally=False) == "127.0.0.0/8"


def test_the_networks_can_be_told_at_start() -> None:
    assert UPSTREAMS_CASES.texts == ["169.254.169.254/32", "127.0.0.0/8", "::1/128"]
    assert "169.254.0.0/16" in DEFAULT.texts


# --- readings -------------------------------------------------------------------------------------------------------


@given(st.ip_addresses(v=4).map(str))
def test_an_ipv4_address_has_one_reading(address: str) -> None:
    assert [str(reading) for reading in readings_of(address)] == [address]


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_always_among_its_own_readings(address: IPv6Address) -> None:
    assert address in list(readings_of(str(address)))


@given(ipv4=st.ip_addresses(v=4).map(str), form=st.sampled_from([*EMBEDDING]))
def test_whatever_is_embedded_is_found(ipv4: str, form: str) -> None:
    readings = [str(reading) for reading in readings_of(embedded(form, ipv4))]

    # ::0.0.0.0 and ::0.0.0.1 are the unspecified and the loopback address, which the list holds as such.
    assert ipv4 in readings or (form == "IPv4-compatible" and ipv4 in ("0.0.0.0", "0.0.0.1"))
