"""How much a client may do in a time: so many things at once, and then one more each so many seconds.

The generic cell rate algorithm of ATM (ITU-T I.371): of each client one number is kept, the time at which its allowance
is whole again.
"""

import ipaddress
from collections import OrderedDict
from typing import Final

from starlette.types import Scope

# Of 100 bytes each. Beyond it the client that was seen longest ago is forgotten, and with it what it has used up.
_MOST_CLIENTS: Final = 10_000
# What one household or machine is given: RFC 6177.
_IPV6_PREFIX: Final = 64


class Allowances:
    """The allowance of each client.

    Args:
        at_once: Things that a client may do one directly after the other.
        seconds: Until one more is allowed.
        most_clients: How many are remembered.
    """

    def __init__(self, *, at_once: int, seconds: float, most_clients: int = _MOST_CLIENTS) -> None:
        self._spread = (at_once - 1) * seconds
        self._seconds = seconds
        self._most_clients = most_clients
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, client: str, now: float) -> float:
        """Seconds until a client may do one more thing; 0 where it may now."""
        return max(0.0, self._whole_at.get(client, now) - self._spread - now)

    def take(self, client: str, now: float) -> None:
        """Count one thing that a client does, now or when its wait is over."""
        self._whole_at[client] = max(self._whole_at.get(client, now), now) + self._seconds
        self._whole_at.move_to_end(client)
        while len(self._whole_at) > self._most_clients:
            self._whole_at.popitem(last=False)

    def give_back(self, client: str) -> None:
        """Count one thing less."""
        if client in self._whole_at:
            self._whole_at[client] -= self._seconds


def client_of(scope: Scope) -> str:
    """Who sent a request: an address, or of IPv6 the network that one client is given whole."""
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
