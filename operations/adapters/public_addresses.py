"""Which addresses anybody can reach: the one rule for all that is sent to an address which a person has configured."""

from __future__ import annotations

import ipaddress

INTERNAL = "internal = true in the alerts section allows it."
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052."""
LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
"""RFC 8215."""


def is_public(address: str) -> bool:
    """Whether anybody can reach it; an IPv4 address within an IPv6 one is judged as itself. ``ValueError``: no IP."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return parsed.is_global and not parsed.is_multicast
    if parsed in LOCAL_NAT64 or parsed.is_site_local:  # Python takes both for global
        return False
    translated = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF) if parsed in NAT64 else None
    within = parsed.ipv4_mapped or parsed.sixtofour or translated
    if within is not None:
        return within.is_global and not within.is_multicast
    return parsed.is_global and not parsed.is_multicast
