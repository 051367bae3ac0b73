"""Names and addresses of machines as the config spells them: which can be used at all, and which mean the same.

Nothing here asks the network: a name that nobody knows is found out when it is listened on or connected to.
"""

from __future__ import annotations

import ipaddress
import re
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: What a server listens on to be reached at every address of its machine.
EVERY_ADDRESS = ("0.0.0.0", "::")
_MOST_CHARACTERS = 253
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9a-fA-FxX.]+")


def fault_of(host: str) -> str:
    """The fault of a host as a name or an address, as the end of a sentence; empty for one that may be used."""
    address = address_of(host)
    if address is not None:
        if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
            return "is an address of many machines: nobody can connect to it"
        return ""
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return "is not a host name: it has a part that is empty or longer than 63 characters"
    labels = name.removesuffix(".").split(".")
    if any(len(label) > 63 for label in labels):
        return "is not a host name: it has a part that is empty or longer than 63 characters"
    if len(name) > _MOST_CHARACTERS:
        return f"is not a host name: it is longer than {_MOST_CHARACTERS} characters"
    if not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        return "is not a host name, and not an address"
    return ""


def address_of(host: str) -> Address | None:
    """The address that `host` spells (`127.1` is 127.0.0.1); None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _from_short(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _from_short(host: str) -> Address | None:
    """The address of a spelling that the system's own resolver takes besides the usual one."""
    if not _NUMERIC.fullmatch(host) or not host[0].isdigit():
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def canonical(host: str) -> str:
    """One spelling for all spellings of a host; `localhost` is the address that it stands for."""
    address = address_of(host)
    if address is not None:
        return str(address)
    name = host.lower().removesuffix(".")
    return "127.0.0.1" if name == "localhost" else name


def is_every(host: str) -> bool:
    """True when to listen on `host` is to listen on every address of the machine."""
    return canonical(host) in EVERY_ADDRESS


def is_loopback(host: str) -> bool:
    """True when `host` is reached from its own machine alone."""
    address = address_of(canonical(host))
    return address is not None and address.is_loopback


def reachable(host: str) -> str:
    """The address to connect to for a server that listens on `host`: "every address" is reached on this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(canonical(host), host) if host else "127.0.0.1"
