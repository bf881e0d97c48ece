"""The address of a server: taking it, and telling it to people."""

import errno
import ipaddress
import socket


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free. Raises ValueError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by name, since asyncio switches off the delay of small answers only where it sees it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # whoever comes before the server is ready waits
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ValueError(f"port {port} on {host} is taken: choose another with --port") from None
        raise ValueError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from None
    return listener


def address_of(listener: socket.socket) -> str:
    """host:port, as it stands in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address_from_here(listener: socket.socket) -> str:
    """As `address_of`, to reach it from this machine, also where it listens everywhere."""
    host, port = listener.getsockname()[:2]
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
    return f"{everywhere[host]}:{port}" if host in everywhere else address_of(listener)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
