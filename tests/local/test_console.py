"""What is printed: whole lines with a name, colours for people only."""

from __future__ import annotations

import io

import pytest

from tokiflow.local.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_says_who_speaks() -> None:
    stream = io.StringIO()
    Console(stream).line("web", "hello")
    assert stream.getvalue() == "web      │ hello\n"


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    Console(stream).line("web", "hello")
    assert stream.getvalue() == "\x1b[36mweb      │ \x1b[0mhello\n"


def test_a_step_is_shown_at_once_and_says_how_long_it_took() -> None:
    stream = io.StringIO()
    with Console(stream).step("Making a database"):
        assert stream.getvalue() == "up       │ Making a database…"
    assert stream.getvalue() == "up       │ Making a database… 0.0 s\n"


def test_a_line_during_a_step_does_not_run_into_it() -> None:
    stream = io.StringIO()
    console = Console(stream)
    with console.step("Starting"):
        console.line("postgres", "hello")
    assert stream.getvalue().splitlines() == ["up       │ Starting…", "postgres │ hello", "up       │ Starting: 0.0 s"]


def test_lines_of_a_process_are_followed_without_its_noise() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.follow("valkey", io.BytesIO(b"first\nbye bye\n\xff last"), noise=("bye bye",))
    console.drain()
    assert stream.getvalue().splitlines() == ["valkey   │ first", "valkey   │ � last"]


def test_a_closed_terminal_stops_nothing() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = Console(Closed())
    console.say("nobody reads this")
    console.say("nor this")
