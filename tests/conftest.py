"""What every test may ask for. The fixtures live in tests/fixtures, one noun a file.

A test that asks for `app` (or anything built on it) gets an empty database, an empty Valkey and an app context of
its own. A test that does not ask pays nothing.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, and of who else is working on it.
settings.register_profile("untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

pytest_plugins = [
    "tests.fixtures.servers",
    "tests.fixtures.database",
    "tests.fixtures.wire",
    "tests.fixtures.app",
    "tests.fixtures.stores",
    "tests.fixtures.site",
    "tests.fixtures.signing_in",
    "tests.fixtures.people",
    "tests.fixtures.slack",
    "tests.fixtures.instance",
    "tests.fixtures.browser",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder, and give what starts processes or a browser more time."""
    _spread(items)
    for item in items:
        folder = item.path.parts
        if "browser" in folder:
            item.add_marker(pytest.mark.browser)
        if "flows" in folder:
            item.add_marker(pytest.mark.flow)
        if {"browser", "flows"} & set(folder) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))


def pytest_collection_finish() -> None:
    """What is loaded stays: to look through it for garbage again and again takes a tenth of the time."""
    gc.collect()
    gc.freeze()


def _spread(items: list[pytest.Item]) -> None:
    """Put the modules that mostly wait for processes evenly among the others.

    Each worker gets a stretch of the list: so none has all the waiting, and the cores always have something to do.
    """
    among: dict[str, list[Path]] = {}
    for path in dict.fromkeys(item.path for item in items):
        folder = next((one for one in ("flows", "cli") if one in path.parts), "")
        among.setdefault(folder, []).append(path)
    places = {path: (k + 0.5) / len(paths) for paths in among.values() for k, path in enumerate(paths)}
    items.sort(key=lambda item: places[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Where nobody looks at the screen, a skipped test is a failed one: it proves nothing."""
    yield
    if os.environ.get("CI") and _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why the run failed although every test that ran has passed."""
    if os.environ.get("CI") and (skipped := _skipped(config)):
        terminalreporter.write_line(f"CI fails: {skipped} skipped; a skipped test proves nothing", red=True)


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0
