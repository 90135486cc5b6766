"""Lines on this machine's disk: whole or not at all, for nobody's eyes, and taken over from whoever is gone."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.instance import ROOT
from tokiflow.adapters import spool as spools
from tokiflow.adapters.spool import SpoolFile, SpoolFolder, SpoolFull

KEY = "a key for the spool"


@pytest.fixture
def folder(tmp_path: Path) -> SpoolFolder:
    return SpoolFolder(tmp_path / "spool", KEY)


def read_all(file: SpoolFile) -> list[bytes | None]:
    found, at = [], 0
    while line := file.read(at):
        found.append(line.content)
        at = line.end
    return found


def reopened(folder: SpoolFolder, file: SpoolFile) -> SpoolFile:
    """The same file as another process finds it, after `file`'s has gone."""
    file.close()
    (found,) = folder.orphans()
    assert found.id == file.id
    return found


def path_of(folder: SpoolFolder, file: SpoolFile) -> Path:
    return folder.path / f"{file.id}.spool"


# --- lines ------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=500), max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_appended_is_read_by_us_and_by_who_comes_after_us(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = SpoolFolder(Path(place) / "spool", KEY)
        file = folder.new()
        for content in contents:
            file.append(content)
        assert read_all(file) == contents
        found = reopened(folder, file)
        assert read_all(found) == contents
        found.append(b"and more")
        assert read_all(found) == [*contents, b"and more"]
        found.remove()
        assert list(folder.orphans()) == []
        assert folder.waiting() == 0


def test_wherever_a_crash_cuts_the_last_line_it_counts_for_nothing(folder: SpoolFolder) -> None:
    file = folder.new()
    file.append(b"whole")
    end = file.size
    file.append(b"cut")
    whole = path_of(folder, file).read_bytes()
    for length in range(end, len(whole)):
        path_of(folder, file).write_bytes(whole[:length])
        file = reopened(folder, file)
        assert read_all(file) == [b"whole"]


def test_a_line_that_was_damaged_harms_no_other(folder: SpoolFolder) -> None:
    file = folder.new()
    for content in (b"one", b"two", b"three"):
        file.append(content)
    said = bytearray(path_of(folder, file).read_bytes())
    middle = len(said) // 2
    said[middle] ^= 1
    path_of(folder, file).write_bytes(said)
    assert read_all(file) == [b"one", None, b"three"]


def test_under_another_key_it_is_put_aside_and_can_be_replayed_when_the_key_is_back(folder: SpoolFolder) -> None:
    file = folder.new()
    file.append(b"written before the key was changed")
    file.close()
    changed = SpoolFolder(folder.path, "another key")
    (file,) = changed.orphans()
    line = file.read(0)
    assert line is not None
    assert line.content is None
    aside = file.put_aside(line)
    file.remove()
    assert (list(folder.orphans()), folder.waiting()) == ([], 0)
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    aside.rename(aside.with_suffix(".spool"))
    (file,) = folder.orphans()
    assert read_all(file) == [b"written before the key was changed"]


def test_nobody_else_may_look_and_who_does_sees_nothing(folder: SpoolFolder) -> None:
    file = folder.new()
    file.append(b"DATABASE_PASSWORD=hunter2 " * 50)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of(folder, file).stat().st_mode) == 0o600
    raw = path_of(folder, file).read_bytes()
    assert b"hunter2" not in raw
    assert KEY.encode() not in raw
    file.append(b"the same")
    file.append(b"the same")
    *_, first, second = path_of(folder, file).read_bytes().splitlines()
    assert first != second


# --- a disk that is full ----------------------------------------------------------------------------------------


def fail_half_way(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The next `times` writes get half of it on the disk, and then there is no room."""
    write = os.write
    left = [2 * times]

    def half(descriptor: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            return write(descriptor, data)
        if left[0] % 2:
            return write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", half)


def test_a_full_disk_keeps_what_is_there_and_takes_more_when_there_is_room(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder.new()
    file.append(b"before")
    size = file.size
    with monkeypatch.context() as patched:
        fail_half_way(patched, 3)
        for _ in range(3):
            with pytest.raises(SpoolFull, match="No space left"):
                file.append(b"no room for this")
            assert path_of(folder, file).stat().st_size == file.size == size
    assert file.whole
    file.append(b"after")
    assert read_all(file) == [b"before", b"after"]


def test_what_did_not_get_to_the_disk_is_taken_back(folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder.new()

    def fail(descriptor: int) -> None:
        assert read_all(file) == [], "nobody reads what may still be taken back"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(SpoolFull):
            file.append(b"not on disk")
        assert file.size == 0
        patched.setattr(os, "ftruncate", fail_always)
        with pytest.raises(SpoolFull):
            file.append(b"not on disk, and can't be taken back")
    assert (file.whole, read_all(file)) == (False, [])


def fail_always(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_file_grows_no_larger_than_it_may(folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "LARGEST_FILE", 1_000)
    file = folder.new()
    file.append(b"x" * 100)
    with pytest.raises(SpoolFull, match="all it may"):
        file.append(b"x" * 1_000)
    file.append(b"y" * 100)
    assert read_all(file) == [b"x" * 100, b"y" * 100]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_real_disk_that_is_full(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", str(small)], check=False)
    if mounted.returncode != 0:
        return  # a container: the tests above say the same of a disk that is only said to be full
    try:
        folder = SpoolFolder(small / "spool", KEY)
        assert not folder.takes(), "less than it wants to have free"
        file = folder.new()
        taken = fill(file, b"x" * 5_000)
        assert taken > 5
        assert read_all(file) == [b"x" * 5_000] * taken
        file.remove()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def fill(file: SpoolFile, content: bytes) -> int:
    """Append `content` until there is no room; how many times there was."""
    for taken in range(1_000):
        try:
            file.append(content)
        except SpoolFull:
            return taken
    pytest.fail("there is no end to this disk")


def test_a_folder_that_can_not_be_made_or_written_takes_nothing(tmp_path: Path) -> None:
    in_the_way = tmp_path / "a file"
    in_the_way.write_text("")
    folder = SpoolFolder(in_the_way / "spool", KEY)
    assert not folder.takes()
    assert folder.waiting() == 0
    assert list(folder.orphans()) == []
    with pytest.raises(SpoolFull, match="can't be made"):
        folder.new()


def test_it_tells_how_much_waits(folder: SpoolFolder) -> None:
    assert folder.takes()
    assert folder.waiting() == 0
    one, two = folder.new(), folder.new()
    one.append(b"x" * 100)
    two.append(b"x" * 100)
    assert folder.waiting() == one.size + two.size


# --- whose file it is -------------------------------------------------------------------------------------------

_HOLD = """
import sys, time
from pathlib import Path
from tokiflow.adapters.spool import SpoolFolder
file = SpoolFolder(Path(sys.argv[1]), sys.argv[2]).new()
file.append(b"answered")
print(file.id, flush=True)
time.sleep(60)
"""

_ADOPT = """
import sys
from pathlib import Path
from tokiflow.adapters.spool import SpoolFolder
folder = SpoolFolder(Path(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for file in folder.orphans():
    print(file.id, flush=True)
    if len(sys.argv) > 3:
        file.remove()
print("done", flush=True)
sys.stdin.readline()
"""


def run(code: str, folder: SpoolFolder, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(folder.path), KEY, *more]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_file_is_adopted_when_its_process_was_killed_and_not_before(folder: SpoolFolder) -> None:
    process = run(_HOLD, folder)
    try:
        name = line_of(process)
        assert list(folder.orphans()) == []
        process.kill()
        process.wait()
    finally:
        process.kill()
        process.communicate()
    (file,) = folder.orphans()
    assert str(file.id) == name
    assert read_all(file) == [b"answered"]
    assert list(folder.orphans()) == [], "now it is ours"


@pytest.mark.parametrize("removing", [(), ("remove",)], ids=["kept", "removed at once"])
def test_no_two_processes_adopt_the_same(folder: SpoolFolder, removing: tuple[str, ...]) -> None:
    made = [folder.new() for _ in range(30)]
    for file in made:
        file.append(b"answered")
        file.close()
    adopters = [run(_ADOPT, folder, *removing) for _ in range(3)]
    try:
        assert {line_of(adopter) for adopter in adopters} == {"ready"}
        for adopter in adopters:
            assert adopter.stdin
            print("go", file=adopter.stdin, flush=True)
        adopted: list[str] = []
        for adopter in adopters:
            while (said := line_of(adopter)) != "done":
                adopted.append(said)
    finally:
        for adopter in adopters:
            adopter.kill()
            adopter.communicate()
    assert sorted(adopted) == [str(file.id) for file in made]


def test_a_new_file_can_not_be_adopted_before_it_is_locked(
    folder: SpoolFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Path] = []
    lock = fcntl.flock

    def look_first(descriptor: int, how: int) -> None:
        found.extend(folder.path.glob("*.spool"))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", look_first)
    file = folder.new()
    assert found == []
    assert path_of(folder, file).exists()


def test_what_is_no_spool_file_is_left_alone(folder: SpoolFolder) -> None:
    folder.new().close()
    stranger = folder.path / "notes.spool"
    stranger.write_bytes(b"mine\n")
    descriptors = len(os.listdir("/proc/self/fd"))
    (file,) = folder.orphans()
    file.remove()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert stranger.read_bytes() == b"mine\n"
