"""`tokiflow run` with real processes and a real server: the job first, the report second."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tokiflow.cli._capture import Capture
from tokiflow.cli._child import _Pumps

TOKEN = "Zx81QwErTyUiOpAsDfGhJk"
HEARD = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
# As the console script starts it, with less patience, so that the tests need none either.
MAIN = (
    "from tokiflow.cli import _child as c, run as r; c.DRAIN = 1.0; r.HURRIED_BUDGET = 0.5;"
    " r.FINISH_BUDGET = {budget}; r.run(prog_name='tokiflow run')"
)


class Tokiflow:
    """A server that answers pings as it is told, and remembers them."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for(f"/ping/{TOKEN}")
        self.base = server.url_for("")
        self.pings: list[Request] = []
        self.bodies: list[bytes] = []
        self.answers: list[Response | float] = []
        server.expect_request(re.compile(r"/.*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        self.pings.append(request)
        self.bodies.append(request.get_data())
        answer = self.answers.pop(0) if self.answers else Response("OK")
        if isinstance(answer, float):
            time.sleep(answer)
            return Response("OK")
        return answer

    @property
    def signals(self) -> list[str]:
        return [ping.path.removeprefix(f"/ping/{TOKEN}/") for ping in self.pings]

    def query(self, index: int) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.pings[index].query_string.decode()).items()}


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """Under nohup, or behind an & in a script, we are deaf to some signals, and so would be each job we start. Whoever
    handles them lets their children begin as usual, and is none the worse for one that comes."""
    deaf = [number for number in HEARD if signal.getsignal(number) is signal.SIG_IGN]
    for number in deaf:
        signal.signal(number, lambda *_: None)
    yield
    for number in deaf:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def tokiflow(httpserver: HTTPServer) -> Tokiflow:
    return Tokiflow(httpserver)


def environment(**more: str) -> dict[str, str]:
    """What cron gives a job, and no more."""
    return {"PATH": os.environ["PATH"], "HOME": "/", "SHELL": "/bin/sh", "PYTHONPATH": os.getcwd()} | more


def start(*arguments: str | bytes, budget: float = 5, env: dict[str, str] | None = None, **more: Any) -> Any:
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | more
    return subprocess.Popen(
        [sys.executable, "-c", MAIN.format(budget=budget), *arguments],
        env=environment(**(env or {})),
        start_new_session=True,
        **more,
    )


def run(*arguments: str | bytes, **more: Any) -> tuple[int, bytes, bytes]:
    given = more.pop("input", None)
    process = start(*arguments, **more | ({"stdin": subprocess.PIPE} if given is not None else {}))
    out, err = process.communicate(given, timeout=60)
    return process.returncode, out, err


def until(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_job_is_reported_with_start_exit_code_duration_and_output(tokiflow):
    code, out, err = run("--monitor", tokiflow.url, "--env", "staging", "--", "sh", "-c", "echo out; sleep 0.3; exit 3")
    assert (code, out, err) == (3, b"out\n", b"")
    assert tokiflow.signals == ["start", "3"]
    assert {ping.method for ping in tokiflow.pings} == {"POST"}
    assert tokiflow.query(0)["rid"] == tokiflow.query(1)["rid"] == str(UUID(tokiflow.query(0)["rid"]))
    assert tokiflow.query(0)["env"] == tokiflow.query(1)["env"] == "staging"
    assert 300 <= int(tokiflow.query(1)["durationMs"]) < 3000
    assert tokiflow.bodies == [b"", b"out\n"]


def test_streams_stay_apart_and_arrive_byte_for_byte(tokiflow):
    code, out, err = run("--monitor", tokiflow.url, "--", "sh", "-c", r"printf 'a\000\377b'; printf 'e\376' >&2")
    assert (code, out, err) == (0, b"a\0\xffb", b"e\xfe")
    assert sorted(tokiflow.bodies[1]) == sorted(b"a\0\xffbe\xfe")


def test_where_both_streams_are_one_the_order_is_kept(tokiflow):
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done"
    _, out, _ = run("--monitor", tokiflow.url, "--", "sh", "-c", script, stderr=subprocess.STDOUT)
    assert out == b"".join(b"out %d\nerr %d\n" % (i, i) for i in range(1, 10))
    assert tokiflow.bodies[1] == out


def test_of_what_came_on_both_streams_stdout_is_captured_first(capfd):
    script = ["sh", "-c", "echo 12 invoices; echo relay access denied >&2"]
    for _ in range(50):
        with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as job:
            job.wait()
            capture = Capture(1000)
            _Pumps(job, capture).finish()
        assert capture.body() == b"12 invoices\nrelay access denied\n"


def test_output_appears_while_the_job_still_runs(tokiflow):
    process = start("--monitor", tokiflow.url, "--", "sh", "-c", "echo first; read answer; echo got $answer",
                    stdin=subprocess.PIPE)  # fmt: skip
    assert process.stdout.readline() == b"first\n"
    out, _ = process.communicate(b"typed\n", timeout=20)
    assert out == b"got typed\n"


def test_arguments_that_are_not_utf8_and_look_like_options_reach_the_command(tokiflow):
    code, out, _ = run("--monitor", tokiflow.url, "printf", "%s|%s|%s", b"\xff", "--env", "--help")
    assert (code, out) == (0, b"\xff|--env|--help")


def test_of_long_output_the_beginning_and_the_end_are_sent_and_all_is_shown(tokiflow):
    _, out, _ = run("--monitor", tokiflow.url, "--max-output", "2KB", "--", "seq", "100000")
    assert out == b"".join(b"%d\n" % i for i in range(1, 100001))
    body = tokiflow.bodies[1]
    assert len(body) <= 2048
    assert body.startswith(b"1\n2\n3\n")
    assert body.endswith(b"99999\n100000\n")
    assert b"bytes left out by tokiflow run" in body


def test_no_output_sends_none_and_leaves_the_streams_alone(tokiflow):
    _, out, _ = run("--monitor", tokiflow.url, "--no-output", "--", "readlink", "/proc/self/fd/1")
    assert out.startswith(b"pipe:")
    assert tokiflow.bodies == [b"", b""]


def test_a_token_alone_is_looked_up_where_the_environment_says(tokiflow):
    for name in ("TOKIFLOW_URL", "PUBLIC_URL"):
        assert run("true", env={"TOKIFLOW_MONITOR": TOKEN, name: tokiflow.base})[0] == 0
    assert tokiflow.signals == ["start", "0"] * 2


def test_a_query_in_the_url_is_kept(tokiflow):
    run("--monitor", tokiflow.url + "/?env=eu", "true")
    assert tokiflow.signals == ["start", "0"]
    assert tokiflow.query(1)["env"] == "eu"


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["no-such-command-anywhere"], 127, b"command not found"),
        (["/etc/passwd"], 126, b"permission denied"),
        (["/"], 126, b"permission denied"),
        (["sh", "-c", "kill -9 $$"], 137, b""),
        (["sh", "-c", "kill -TERM $$"], 143, b""),
        (["sh", "-c", "exit 255"], 255, b""),
    ],
)
def test_exit_codes_are_those_of_a_shell_and_are_reported(tokiflow, command, code, said):
    result, _, err = run("--monitor", tokiflow.url, "--", *command)
    assert result == code
    assert tokiflow.signals == ["start", str(code)]
    assert said in err
    assert said in tokiflow.bodies[1]


def test_a_script_without_an_interpreter_line_runs_as_under_a_shell(tokiflow, tmp_path):
    script = tmp_path / "job"
    script.write_text('echo "hello $1"\n')
    script.chmod(0o755)
    assert run("--monitor", tokiflow.url, "--", str(script), "you")[:2] == (0, b"hello you\n")


def test_a_script_whose_interpreter_is_missing_says_so(tokiflow, tmp_path):
    script = tmp_path / "job"
    script.write_text("#!/no/such/python\n")
    script.chmod(0o755)
    code, _, err = run("--monitor", tokiflow.url, "--", str(script))
    assert code == 127
    assert b"interpreter does not exist" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_us_reaches_the_whole_job_and_is_reported(tokiflow, number):
    process = start("--monitor", tokiflow.url, "--", "sh", "-c", "sleep 60 & echo $!; wait; sleep 60")
    grandchild = int(process.stdout.readline())
    process.send_signal(number)
    process.communicate(timeout=20)
    # A shell starts its background jobs with SIGINT ignored; all else ends them.
    if number == signal.SIGINT:
        os.kill(grandchild, signal.SIGKILL)
    until(lambda: gone(grandchild))
    assert process.returncode == 128 + number
    assert tokiflow.signals == ["start", str(128 + number)]


def test_a_job_that_cleans_up_when_told_to_stop_is_waited_for(tokiflow):
    script = "trap 'sleep 0.5; echo cleaned; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    process = start("--monitor", tokiflow.url, "--", "sh", "-c", script)
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (7, b"cleaned\n")
    assert tokiflow.signals == ["start", "7"]


def test_a_signal_that_comes_as_the_job_begins_reaches_it(tokiflow):
    """We may not be waiting for the job yet, and must not begin to with a signal in hand."""
    script = "trap 'exit 7' TERM; kill -TERM $PPID; while :; do sleep 0.1; done"
    processes = [start("--monitor", tokiflow.url, "--", "sh", "-c", script) for _ in range(4)]
    for process in processes:
        process.communicate(timeout=20)
    assert [process.returncode for process in processes] == [7] * 4


def test_an_ignored_hangup_stays_ignored(tokiflow):
    process = subprocess.Popen(
        ["nohup", sys.executable, "-c", MAIN.format(budget=5), "--monitor", tokiflow.url, "--",
         "sh", "-c", "echo r; sleep 1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(),
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"r\n"
    os.killpg(process.pid, signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_at_a_terminal_ctrl_c_reaches_the_job_once_and_the_keyboard_works(tokiflow):
    script = (
        "import signal, sys; n = []; signal.signal(signal.SIGINT, lambda *a: n.append(1));"
        "print('ready', input(), flush=True);"
        "import time; end = time.time() + 1.0\n"
        "while time.time() < end: time.sleep(0.05)\n"
        "print('interrupts', len(n), flush=True)"
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execve(sys.executable, [sys.executable, "-c", MAIN.format(budget=5), "--monitor", tokiflow.url, "--",
                  sys.executable, "-c", script], environment())  # fmt: skip
    os.write(terminal, b"typed\n")
    shown = b""
    while b"ready typed" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while b"interrupts" not in shown:
        shown += os.read(terminal, 1000)
    assert b"interrupts 1" in shown
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    os.close(terminal)
    assert tokiflow.signals == ["start", "0"]


def test_the_job_does_not_wait_for_a_slow_server_and_the_order_holds(tokiflow):
    tokiflow.answers = [2.0]
    began = time.monotonic()
    process = start("--monitor", tokiflow.url, "--", "echo", "quick")
    assert process.stdout.readline() == b"quick\n"
    assert time.monotonic() - began < 1.9
    process.communicate(timeout=20)
    assert tokiflow.signals == ["start", "0"]


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_without_tokiflow_the_job_runs_all_the_same(closed_port):
    code, out, err = run("--monitor", f"http://127.0.0.1:{closed_port}/ping/{TOKEN}", "sh", "-c", "echo x; exit 5",
                         budget=1.5)  # fmt: skip
    assert (code, out) == (5, b"x\n")
    assert err.count(b"\n") == 1
    assert b"could not be reached (Connection refused)" in err
    assert TOKEN.encode() not in err


def test_a_server_that_never_answers_holds_us_only_so_long():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/ping/{TOKEN}"
        began = time.monotonic()
        code, out, err = run("--monitor", url, "echo", "x", budget=2)
        assert (code, out) == (0, b"x\n")
        assert b"timed out" in err
        assert time.monotonic() - began < 9


def test_the_result_is_sent_again_until_it_is_kept(tokiflow):
    tokiflow.answers = [Response("OK"), Response(status=503), Response(status=429, headers={"Retry-After": "2"})]
    began = time.monotonic()
    assert run("--monitor", tokiflow.url, "echo", "x", budget=20) == (0, b"x\n", b"")
    assert tokiflow.signals == ["start", "0", "0", "0"]
    assert tokiflow.bodies[1:] == [b"x\n"] * 3
    assert time.monotonic() - began > 2.4


def test_a_start_that_was_lost_is_told_and_the_result_still_sent(tokiflow):
    tokiflow.answers = [Response(status=500), Response(status=500)]
    _, _, err = run("--monitor", tokiflow.url, "true")
    assert tokiflow.signals == ["start", "start", "0"]
    assert err.startswith(b"tokiflow: the start was not reported, the result was")


def test_an_unknown_token_is_told_in_one_line_without_the_token(tokiflow):
    tokiflow.answers = [Response("not found", 404), Response("not found", 404)]
    code, _, err = run("--monitor", tokiflow.url, "sh", "-c", "exit 9")
    assert code == 9
    assert err.count(b"\n") == 1
    assert b"/ping/*** knows no such monitor (404)" in err
    assert TOKEN.encode() not in err


def test_a_body_too_large_for_a_proxy_is_left_out(tokiflow):
    tokiflow.answers = [Response("OK"), Response(status=413)]
    assert run("--monitor", tokiflow.url, "echo", "x") == (0, b"x\n", b"")
    assert tokiflow.bodies == [b"", b"x\n", b""]


def test_a_redirect_is_followed_with_method_and_body(tokiflow):
    tokiflow.answers = [Response("OK"), Response(status=301, headers={"Location": tokiflow.url + "/0?moved=1"})]
    assert run("--monitor", tokiflow.url, "echo", "x") == (0, b"x\n", b"")
    assert [ping.method for ping in tokiflow.pings] == ["POST"] * 3
    assert tokiflow.bodies[2] == b"x\n"


@pytest.mark.parametrize(
    "monitor", ["", "short", "ftp://example.com/ping/" + TOKEN, "no spaces/" + TOKEN, "http://[" + TOKEN]
)
def test_a_useless_monitor_is_told_and_the_job_runs(monitor):
    code, out, err = run("--monitor", monitor, "echo", "x")
    assert (code, out) == (0, b"x\n")
    assert err.count(b"\n") == 1
    assert b"the command ran unwatched" in err
    assert TOKEN.encode() not in err


def test_mistakes_in_our_own_options_are_refused():
    assert run("--monitor", "x")[0] == 2
    assert run("--max-output", "many", "true")[0] == 2
    assert run("--no-such-option", "true")[0] == 2


def test_a_daemon_left_behind_does_not_hold_us(tokiflow):
    for daemon in ("sleep 60", "sleep 0.2; while echo chatter; do sleep 0.05; done"):
        began = time.monotonic()
        process = start("--monitor", tokiflow.url, "--", "sh", "-c", f"({daemon}) & echo $!")
        left = int(process.stdout.readline())
        assert process.wait(timeout=20) == 0
        assert time.monotonic() - began < 4
        os.kill(left, signal.SIGKILL)
        process.communicate()


def test_a_slow_reader_gets_everything(tokiflow):
    process = start("--monitor", tokiflow.url, "--", "head", "-c", "150000", "/dev/zero")
    time.sleep(2)
    out, _ = process.communicate(timeout=20)
    assert len(out) == 150000


def test_when_our_reader_goes_the_job_learns_of_it(tokiflow):
    process = start("--monitor", tokiflow.url, "--", "yes")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=20) == 128 + signal.SIGPIPE
    process.stderr.close()
    assert tokiflow.signals == ["start", "141"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_under_our_output_does_not_stop_the_job(tokiflow):
    with open("/dev/full", "wb") as full:
        code, _, err = run(
            "--monitor", tokiflow.url, "--", "sh", "-c", "echo a; sleep 0.2; echo b; exit 4", stdout=full
        )
    assert code == 4
    assert b"output could not be passed on" in err
    assert tokiflow.bodies[1] == b"a\nb\n"


def test_closed_streams_and_open_files_are_the_jobs_own(tokiflow, tmp_path):
    shell = '"$0" -c "$1" --monitor "$2" -- sh -c "echo lost; echo kept >&3" >&- 2>&- <&- 3>"$3"'
    kept = tmp_path / "kept"
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, MAIN.format(budget=5), tokiflow.url, str(kept)],
        env=environment(), check=False, timeout=20,
    )  # fmt: skip
    assert done.returncode == 0
    assert kept.read_text() == "kept\n"
    assert tokiflow.bodies[1] == b"lost\n"


def test_an_impatient_second_signal_shortens_the_report(tokiflow):
    tokiflow.answers = [Response("OK"), 3.0]
    process = start("--monitor", tokiflow.url, "--", "true", budget=30)
    until(lambda: len(tokiflow.pings) == 2)
    began = time.monotonic()
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert time.monotonic() - began < 2.5


def test_nothing_heavy_is_imported_before_the_job():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, tokiflow.cli.run; print(*sys.modules)"],
        env=environment(), capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    heavy = {"flask", "sqlalchemy", "httpx", "structlog", "pydantic", "redis", "rq", "urllib.request", "ssl", "asyncio"}
    assert heavy.isdisjoint(loaded)


@given(st.lists(st.binary(max_size=60), max_size=30), st.integers(0, 400))
def test_a_capture_keeps_both_ends_within_its_limit(chunks, limit):
    capture = Capture(limit)
    for chunk in chunks:
        capture.add(chunk)
    whole, body = b"".join(chunks), capture.body()
    if len(whole) <= limit:
        assert body == whole
        return
    head, _, tail = body.partition(b"\n[... ")
    number, _, tail = tail.partition(b" bytes left out by tokiflow run ...]\n")
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + int(number) + len(tail) == len(whole)
    assert len(body) <= limit or not tail
