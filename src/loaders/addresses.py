"""Addresses of pages: one spelling for each, what is below what, and which lead to private networks."""

import ipaddress
import posixpath
import socket
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from ..errors import LoaderError

_PORTS = {"http": 80, "https": 443}
# Bytes that stand for themselves in a path or a query (RFC 3986, 3.3 and 3.4), and what is encoded already.
_SAFE = "/%:@!$&'()*+,;=~-._?"
# An IPv4 address inside of IPv6 (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def plain_url(url: str, base: str = "") -> str | None:
    """The one spelling of a page's URL: absolute, without fragment, user and default port; None for what is none."""
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        port, host = parts.port, parts.hostname
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        return None
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[scheme]:
        netloc += f":{port}"
    path = posixpath.normpath(parts.path) if "/." in parts.path or "//" in parts.path else parts.path
    if parts.path.endswith(("/", "/.", "/..")) and not path.endswith("/"):
        path += "/"
    path = quote(path.replace("//", "/") or "/", safe=_SAFE)
    return urlunsplit((scheme, netloc, path, quote(parts.query, safe=_SAFE), ""))


def is_site(url: str) -> bool:
    """Whether a URL names a site or a part of one: its path is empty, or ends with a slash."""
    path = urlsplit(url).path
    return path.endswith("/") or not path


def prefix_of(url: str) -> str:
    """What all URLs of a site begin with: the URL up to its last slash."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rpartition("/")[0] + "/", "", ""))


def is_private(address: str) -> bool:
    """Whether an IP address is not one of the public internet: loopback, private, link-local and the like."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.ip_address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is not None:
            return not inner.is_global
    return not ip.is_global or ip.is_multicast


def public_addresses(host: str, port: int, *, private: bool) -> list[str]:
    """The IP addresses of a host.

    Args:
        host: Name or address.
        port: Port.
        private: Whether private ones will do.

    Raises:
        LoaderError: There is none, or one of them is private and should not be.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise LoaderError(f"There is no host {host} ({exc}). Check the address and the network.") from exc
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not private and any(map(is_private, addresses)):
        raise LoaderError(
            f"{host} is at a private or loopback address ({addresses[0]}), from which nothing is loaded unless that is "
            f"asked for: --private-addresses, or SiteLoader(private=True)."
        )
    return addresses
