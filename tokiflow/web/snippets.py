"""Lines ready to paste, one for each way a job is run: they carry the monitor's real ping URL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flask import current_app

from tokiflow.models import Monitor
from tokiflow.settings import Settings

_COMMAND = "/path/to/your-job"
_CURL = "curl -fsS -m 10 --retry 5 -o /dev/null"


@dataclass(frozen=True)
class Snippet:
    """What to paste (`text`) where (`place`)."""

    place: str
    text: str


def ping_url(monitor: Monitor) -> str:
    """The address that the job calls."""
    return f"{_public_url()}/ping/{monitor.token}"


def ping_line(monitor: Monitor) -> str:
    """The one line that is enough: it gives up after ten seconds, tries again, and is silent when all is well."""
    return f"{_CURL} {ping_url(monitor)}"


def by_name(key: str, slug: str) -> str:
    """The address of the monitor called `slug`, for all who have the organization's ping key."""
    return f"{_public_url()}/ping/{key}/{slug}"


def by_name_lines(key: str) -> str:
    """For a shell or a crontab: the key once, and below it a line that makes its own monitor."""
    return f'TOKIFLOW={_public_url()}/ping/{key}\n{_CURL} "$TOKIFLOW/nightly-backup?create=1"'


def _public_url() -> str:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return settings.public_url


def of(monitor: Monitor) -> list[Snippet]:
    """Every snippet for the monitor, the most used first."""
    url, slug = ping_url(monitor), _plain(monitor.slug)
    when = monitor.schedule_expression if monitor.schedule_kind == "cron" else "0 2 * * *"
    return [
        Snippet("crontab", _crontab(url, when)),
        Snippet("Shell", _shell(url)),
        Snippet("tokiflow run", _wrapper(url)),
        Snippet("Python", _python(url)),
        Snippet("Node", _node(url)),
        Snippet("Go", _go(url)),
        Snippet("PHP", _php(url)),
        Snippet("Ruby", _ruby(url)),
        Snippet("PowerShell", _powershell(url)),
        Snippet("systemd", _systemd(url)),
        Snippet("Kubernetes", _kubernetes(url, slug, when, monitor.schedule_timezone)),
    ]


def _plain(slug: str) -> str:
    """The slug as Kubernetes takes names: at most 52 small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9-]+", "-", slug)[:52].strip("-") or "job"


def _crontab(url: str, when: str) -> str:
    return f"""\
# A % must be written \\% in a crontab.
{when}  {_COMMAND} && curl -fsS -m 10 --retry 5 -o /dev/null {url}"""


def _shell(url: str) -> str:
    return f"""\
#!/bin/sh
# Says when it starts, and how it ended: the last number is the exit code.
curl -fsS -m 10 --retry 5 -o /dev/null {url}/start
{_COMMAND}
code=$?
curl -fsS -m 10 --retry 5 -o /dev/null {url}/$code
exit $code"""


def _wrapper(url: str) -> str:
    return f"""\
# Start, output, exit code and run time, all by itself. The job runs even when Tokiflow can't be reached.
tokiflow run --monitor {url} -- {_COMMAND}"""


def _python(url: str) -> str:
    return f'''\
from urllib.request import urlopen

PING = "{url}"


def tell(what: str = "") -> None:
    try:
        urlopen(PING + what, timeout=10).close()
    except OSError:
        pass  # the job matters more than the ping


tell("/start")
try:
    run_the_job()
except BaseException:
    tell("/fail")
    raise
tell()'''


def _node(url: str) -> str:
    return f"""\
const PING = "{url}";

// The job matters more than the ping: a ping that fails is let go.
const tell = (what = "") => fetch(PING + what, {{ signal: AbortSignal.timeout(10_000) }}).catch(() => {{}});

await tell("/start");
try {{
  await runTheJob();
  await tell();
}} catch (error) {{
  await tell("/fail");
  throw error;
}}"""


def _go(url: str) -> str:
    return f"""\
package main

import (
\t"net/http"
\t"time"
)

var client = http.Client{{Timeout: 10 * time.Second}}

func tell(what string) {{
\tanswer, err := client.Get("{url}" + what)
\tif err == nil {{
\t\tanswer.Body.Close()
\t}}
}}

func main() {{
\ttell("/start")
\tif err := runTheJob(); err != nil {{
\t\ttell("/fail")
\t\tpanic(err)
\t}}
\ttell("")
}}"""


def _php(url: str) -> str:
    return f"""\
<?php
const PING = '{url}';

function tell(string $what = ''): void
{{
    $context = stream_context_create(['http' => ['timeout' => 10]]);
    @file_get_contents(PING . $what, false, $context);
}}

tell('/start');
try {{
    runTheJob();
    tell();
}} catch (Throwable $error) {{
    tell('/fail');
    throw $error;
}}"""


def _ruby(url: str) -> str:
    return f"""\
require "net/http"

PING = "{url}"

def tell(what = "")
  uri = URI(PING + what)
  Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https", open_timeout: 10, read_timeout: 10) do |http|
    http.get(uri.request_uri)
  end
rescue SystemCallError, Timeout::Error, SocketError
  nil # the job matters more than the ping
end

tell("/start")
begin
  run_the_job
  tell
rescue Exception
  tell("/fail")
  raise
end"""


def _powershell(url: str) -> str:
    return f"""\
$ping = "{url}"
function Tell($what = "") {{
    try {{ Invoke-RestMethod -Uri "$ping$what" -TimeoutSec 10 | Out-Null }} catch {{ }}
}}

Tell "/start"
& "C:\\path\\to\\your-job.exe"
$code = $LASTEXITCODE
Tell "/$code"
exit $code"""


def _systemd(url: str) -> str:
    return f"""\
# In the service that your timer starts. $EXIT_STATUS is the code it ended with, or a signal's name.
[Service]
Type=oneshot
ExecStartPre=-/usr/bin/curl -fsS -m 10 --retry 5 -o /dev/null {url}/start
ExecStart={_COMMAND}
ExecStopPost=-/bin/sh -c 'case "$EXIT_STATUS" in ""|*[!0-9]*) code=fail;; *) code=$EXIT_STATUS;; esac; \\
  exec /usr/bin/curl -fsS -m 10 --retry 5 -o /dev/null {url}/$code'"""


def _kubernetes(url: str, name: str, when: str, timezone: str) -> str:
    zone = f'  timeZone: "{timezone}"\n' if timezone else ""
    return f"""\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
  schedule: "{when}"
{zone}  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: job
              image: your-image  # one with a shell and curl
              command: ["/bin/sh", "-c"]
              args:
                - |
                  curl -fsS -m 10 --retry 5 -o /dev/null {url}/start
                  {_COMMAND}
                  code=$?
                  curl -fsS -m 10 --retry 5 -o /dev/null {url}/$code
                  exit $code"""
