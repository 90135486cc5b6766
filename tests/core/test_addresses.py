"""Which addresses alerts may go to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from tokiflow.core import addresses


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_reachable(address):
    assert addresses.reachable(ip_address(address))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:127.0.0.1", "127.0.0.0/8"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("::1", "::1/128"),
        ("64:ff9b::808:808", "64:ff9b::/96"),
    ],
)
def test_private_addresses_are_reachable_only_where_allowed(address, network):
    assert not addresses.reachable(ip_address(address))
    assert addresses.reachable(ip_address(address), (ip_network(network),))
    assert not addresses.reachable(ip_address(address), (ip_network("192.168.0.0/16"),))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (None, "is missing"),
        ("", "is missing"),
        (7, "is missing"),
        ("example.com", "is not a web address"),
        ("javascript:alert(1)", "is not a web address"),
        ("https://", "is not a web address"),
        ("https://[::1", "is not a web address"),
        ("https://example.com:70000/", "is not a web address"),
        ("https://example.com:0/", "port 0"),
        ("https://alice@example.com/", "user name or password"),
        ("https://example.com/a b", "spaces or control"),
        ("https://example.com/\x00", "spaces or control"),
        ("https://example.com/" + "a" * 2_000, "too long"),
    ],
)
def test_what_is_no_web_address_is_told_what_to_write(url, why):
    with pytest.raises(ValueError, match=why):
        addresses.web(url)


def test_a_web_address_is_taken_as_it_is_but_for_white_space_around_it():
    assert addresses.web("  https://example.com/hook?a=1 ") == "https://example.com/hook?a=1"
