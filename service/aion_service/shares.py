"""What the settings say about who writes which partition: texts into values, pure."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final, Literal, TypeAlias

from aion_producers.ownership import LogPartition

Share: TypeAlias = Literal["all", "group"] | frozenset[LogPartition]
"""All partitions, what the group of writers assigns, or these."""

PACKAGES: Final = "packages"
_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_HOST: Final = re.compile(r"(?=.{1,253}:)[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?:(\d{1,5})")
_IPV6: Final = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\]:(\d{1,5})")
_MAX_PORT: Final = 65_535


def parse_share(text: str, partitions: int) -> Share:
    """`all`, `group`, `none`, or numbers and ranges with commas between, `packages` for that topic: `0-15,packages`.

    `partitions` is how many the events topic has. Raises ValueError.
    """
    if text in ("all", "group"):
        return text
    if text == "none":
        return frozenset()
    share: set[LogPartition] = set()
    for part in text.split(","):
        if part.strip() == PACKAGES:
            share.add(LogPartition("packages", 0))
            continue
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"ownership is all, group, none, or partitions such as 0-15,20,packages; not {part!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < partitions:
            raise ValueError(f"ownership names {part.strip()}, but the partitions go from 0 to {partitions - 1}")
        share.update(LogPartition("events", number) for number in range(first, last + 1))
    return frozenset(share)


def check_address(text: str) -> None:
    """Raises ValueError unless it is `host:port`: a host name, an IPv4 address, or an IPv6 address in brackets."""
    match = _HOST.fullmatch(text) or _IPV6.fullmatch(text)
    if match is None:
        raise ValueError("an advertised address is host:port, the host of letters, digits, . _ - or [IPv6]")
    if match.re is _IPV6:
        IPv6Address(match[1])
    if not 1 <= int(match[match.re.groups]) <= _MAX_PORT:
        raise ValueError(f"an advertised address has a port from 1 to {_MAX_PORT}")
