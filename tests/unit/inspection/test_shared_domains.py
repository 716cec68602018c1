"""Names that anybody can have are known, and those of one owner are not taken for them."""

import pytest

from iron_proxy.inspection.shared_domains import is_for_every_host, is_for_names_of_others, is_shared
from iron_proxy.matching.rule import Rule


@pytest.mark.parametrize(
    "domain",
    ["com", "test", "co.uk", "com.au", "github.io", "s3.eu-west-1.amazonaws.com", "s3-eu-west-1.amazonaws.com"],
)
def test_anybody_can_have_a_name_there(domain: str) -> None:
    assert is_shared(domain)
    assert is_for_names_of_others(Rule.for_host(f"*.{domain}"))
    assert not is_for_names_of_others(Rule.for_host("own." + domain))


@pytest.mark.parametrize("domain", ["example.com", "bbc.co.uk", "anthropic.com", "co.example", "x.s3.amazonaws.com"])
def test_a_domain_of_one_owner_is_not_shared(domain: str) -> None:
    assert not is_shared(domain)
    assert not is_for_names_of_others(Rule.for_host(f"*.{domain}"))


def test_shell_patterns_count_as_wide_as_they_are() -> None:
    assert is_for_names_of_others(Rule.for_host("*example.com"))
    assert not is_for_names_of_others(Rule.for_host("api-*.example.com"))
    assert not is_for_names_of_others(Rule.for_cidr("10.0.0.0/8"))
    assert not is_for_names_of_others(Rule.for_host("*.localhost"))


def test_rules_for_every_host() -> None:
    assert is_for_every_host(Rule.for_host("*"))
    assert is_for_every_host(Rule.for_cidr("::/0"))
    assert not is_for_every_host(Rule.for_cidr("10.0.0.0/8"))
    assert not is_for_every_host(Rule.for_host("*.com"))
