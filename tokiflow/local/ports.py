"""TCP ports: is one free, and which one is."""

from __future__ import annotations

import errno
import socket

from tokiflow.errors import TokiflowError


def free(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on right now."""
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def require(host: str, port: int) -> None:
    """Raise TokiflowError with a sentence for people unless we could listen on `host`:`port`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        with socket.create_server((host, port), family=family):
            return
    except socket.gaierror:
        raise TokiflowError(f"'{host}' is not an address of this machine; write --host 127.0.0.1 or 0.0.0.0") from None
    except OSError as error:
        raise TokiflowError(_sentence(error, host, port)) from None


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program; choose another with --port or PORT"
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than you have; choose one above 1023 with --port or PORT"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"'{host}' is not an address of this machine; write --host 127.0.0.1 or 0.0.0.0"
    return f"Can't listen on {host}:{port} ({error.strerror}); choose another with --port or PORT"
