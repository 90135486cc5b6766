"""Ports: a busy one is named, with what to do."""

from __future__ import annotations

import socket

import pytest

from tokiflow.errors import TokiflowError
from tokiflow.local import ports


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(TokiflowError) as told:
            ports.require("127.0.0.1", port)
    assert str(told.value) == f"Port {port} is in use by another program; choose another with --port or PORT"


def test_a_free_port_is_free() -> None:
    ports.require("127.0.0.1", ports.free())


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_of_somebody_else_is_refused(host: str) -> None:
    with pytest.raises(TokiflowError, match="is not an address of this machine"):
        ports.require(host, 8000)
