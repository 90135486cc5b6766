"""Where alerts may go: which web addresses are well formed, and which networks are off limits.

A customer names the address, we make the connection: without these rules anybody could have us call our own
database or the metadata service of our host. Networks are judged after resolution, never by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
URL_LIMIT = 2_000

# Ranges that hide IPv4 addresses inside IPv6 ones, and others that `is_global` of some Python releases lets pass.
_OFF_LIMITS = tuple(
    ip_network(text)
    for text in (
        "64:ff9b::/96",  # NAT64, RFC 6052
        "64:ff9b:1::/48",  # NAT64 for local use, RFC 8215
        "2002::/16",  # 6to4, RFC 3056
        "2001::/32",  # Teredo, RFC 4380
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "::/96",  # IPv4-compatible, RFC 4291
        "fec0::/10",  # site-local, RFC 3879
        "192.0.0.0/24",  # protocol assignments, RFC 6890
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
    )
)


def web(url: object) -> str:
    """`url`, stripped, if it is an http(s) address without credentials. Raises ValueError saying what to write."""
    if not isinstance(url, str) or not url.strip():
        raise ValueError("is missing; write an address like https://example.com/hook")
    url = url.strip()
    if len(url) > URL_LIMIT:
        raise ValueError(f"is too long; write at most {URL_LIMIT:,} characters")
    if " " in url or not url.isprintable():
        raise ValueError("has spaces or control characters in it; write them as %20 and the like")
    _check_parts(url)
    return url


def _check_parts(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a web address; write it like https://example.com/hook") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a web address; write it like https://example.com/hook")
    if port == 0:
        raise ValueError("has the port 0; write a port between 1 and 65535, or none")
    if "@" in parts.netloc:
        raise ValueError("has a user name or password in it; send them in a header instead")


def reachable(address: Address, allow: Iterable[Network] = ()) -> bool:
    """Whether alerts may be sent to `address`: it is public, or lies in a network the operator allows."""
    address = _without_mapping(address)
    if any(address in network for network in allow):
        return True
    return address.is_global and not address.is_multicast and not any(address in network for network in _OFF_LIMITS)


def _without_mapping(address: Address) -> Address:
    """`::ffff:127.0.0.1` is 127.0.0.1 in other clothes."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
