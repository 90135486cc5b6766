"""The jobs of a harbour freight company: what they are called, when they run, and what has gone wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86_400


class Ending(StrEnum):
    """How a job stands when the history ends."""

    WELL = "well"
    MISSED = "missed"
    FAILED = "failed"
    LATE = "late"
    PAUSED = "paused"
    NEW = "new"
    RUNNING = "running"


@dataclass(frozen=True)
class Deed:
    """What a person did about a trouble: when, as a share (0–1) of its length, who, and the words of a comment.

    Without words it is the acknowledgement.
    """

    share: float
    who: str
    words: str = ""


@dataclass(frozen=True)
class Trouble:
    """`runs` runs in a row that went wrong, `days` ago: failed, missed or overrun."""

    days: float
    kind: str
    runs: int = 1
    exit_code: int = 1
    output: str = ""
    deeds: tuple[Deed, ...] = ()


@dataclass(frozen=True)
class Job:
    """One monitor and its character. `seconds` is the usual run time, `spread` the sigma of its logarithm."""

    name: str
    description: str
    tags: tuple[str, ...]
    schedule: Mapping[str, Any]
    seconds: float
    grace: int = 5 * MINUTE
    max_runtime: int = HOUR
    spread: float = 0.18
    starts: bool = False
    output: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    ending: Ending = Ending.WELL


def every(seconds: int) -> dict[str, Any]:
    return {"kind": "every", "seconds": seconds}


def cron(expression: str, timezone: str = "Europe/Berlin") -> dict[str, Any]:
    return {"kind": "cron", "expression": expression, "timezone": timezone}


def calendar(expression: str, timezone: str = "Europe/Berlin") -> dict[str, Any]:
    return {"kind": "calendar", "expression": expression, "timezone": timezone}


# What the jobs print. {time} is a moment of the run, each later than the one before (history.printed).

_TABLES = (
    ("berths", "0.2 GB"), ("bookings", "2.7 GB"), ("carriers", "0.1 GB"), ("consignments", "11.4 GB"),
    ("container_moves", "14.8 GB"), ("customs_declarations", "4.1 GB"), ("gate_scans", "5.2 GB"),
    ("invoices", "2.7 GB"),
)  # fmt: skip


def _dumped(tables: tuple[tuple[str, str], ...]) -> str:
    return "".join(
        f"\x1b[2m{{time}}\x1b[0m \x1b[36mdump\x1b[0m   public.{name:<22}{size:>8}\x1b[32m  ok\x1b[0m\n"
        for name, size in tables
    )


_BACKUP_BEGINS = (
    "\x1b[2m{time}\x1b[0m \x1b[1mbackup.sh 4.2\x1b[0m on backup-1, pid 21807\n"
    "\x1b[2m{time}\x1b[0m \x1b[36mcheck\x1b[0m  free space on /var/backups: "
)
BACKUP = f"""\
{_BACKUP_BEGINS}\x1b[32m68 GB\x1b[0m
{_dumped(_TABLES)}\
\x1b[2m{{time}}\x1b[0m \x1b[36mpack\x1b[0m   0 %\r\x1b[2m{{time}}\x1b[0m \x1b[36mpack\x1b[0m   41.2 GB became 9.7 GB
\x1b[2m{{time}}\x1b[0m \x1b[36mupload\x1b[0m site-b:/vault/freight.tar.zst
\x1b[2m{{time}}\x1b[0m \x1b[36mverify\x1b[0m checksum 9b1c7e40d25f matches
\x1b[2m{{time}}\x1b[0m \x1b[36mprune\x1b[0m  kept the last 14
\x1b[2m{{time}}\x1b[0m \x1b[1;32mdone\x1b[0m   184 tables, nothing to complain of"""

DISK_FULL = f"""\
{_BACKUP_BEGINS}\x1b[1;33m6 GB\x1b[0m
\x1b[2m{{time}}\x1b[0m \x1b[33mwarn\x1b[0m   less than 20 GB free: trying anyway
{_dumped(_TABLES[:4])}\
\x1b[2m{{time}}\x1b[0m \x1b[36mdump\x1b[0m   public.{"container_moves":<22}{"":>8}\x1b[31m  failed\x1b[0m
pg_dump: \x1b[1;31merror:\x1b[0m could not write to output file: No space left on device
gzip: stdout: No space left on device
backup.sh: line 31: upload skipped, the archive is incomplete
df: /var/backups  197G  197G     0 \x1b[7;31m 100% \x1b[0m"""

_EXPORT_BEGINS = """\
\x1b[2m{time}\x1b[0m INFO  export   reading declarations of the last hour
\x1b[2m{time}\x1b[0m INFO  export   187 declarations for 3 vessels: \x1b[36mAurora, Maren, Wilhelmina\x1b[0m
\x1b[2m{time}\x1b[0m INFO  portal   signing in as harbour-freight
\x1b[2m{time}\x1b[0m DEBUG portal   session 7f3c9a12be04
\x1b[2m{time}\x1b[0m INFO  portal   sending batch 1 of 2 (100)
"""
CUSTOMS = (
    _EXPORT_BEGINS
    + """\
\x1b[2m{time}\x1b[0m INFO  portal   \x1b[32maccepted\x1b[0m 100
\x1b[2m{time}\x1b[0m INFO  portal   sending batch 2 of 2 (87)
\x1b[2m{time}\x1b[0m INFO  portal   \x1b[32maccepted\x1b[0m 87
\x1b[2m{time}\x1b[0m INFO  export   \x1b[1;32mall accepted\x1b[0m"""
)

CUSTOMS_TRACE = (
    _EXPORT_BEGINS
    + """\
\x1b[2m{time}\x1b[0m \x1b[33mWARN\x1b[0m  portal   503 Service Unavailable, try 1 of 3
\x1b[2m{time}\x1b[0m \x1b[33mWARN\x1b[0m  portal   503 Service Unavailable, try 2 of 3
\x1b[2m{time}\x1b[0m \x1b[33mWARN\x1b[0m  portal   503 Service Unavailable, try 3 of 3
\x1b[2m{time}\x1b[0m \x1b[1;31mERROR\x1b[0m export   not all declarations were sent
Traceback (most recent call last):
  File \x1b[35m"/srv/customs/export.py"\x1b[0m, line \x1b[35m88\x1b[0m, in \x1b[35m<module>\x1b[0m
    main()
    \x1b[31m~~~~\x1b[1;31m^^\x1b[0m
  File \x1b[35m"/srv/customs/export.py"\x1b[0m, line \x1b[35m61\x1b[0m, in \x1b[35mmain\x1b[0m
    client.submit(batch)
    \x1b[31m~~~~~~~~~~~~~\x1b[1;31m^^^^^^^\x1b[0m
  File \x1b[35m"/srv/customs/portal.py"\x1b[0m, line \x1b[35m142\x1b[0m, in \x1b[35msubmit\x1b[0m
    raise PortalRejected(answer.status, answer.reason)
\x1b[1;35mportal.PortalRejected\x1b[0m: \x1b[35m503 Service Unavailable: customs portal is under maintenance\x1b[0m"""
)

MAIL_REFUSED = """\
rendered 48 invoices
smtplib.SMTPServerDisconnected: Connection unexpectedly closed
3 of 48 invoices were not sent: INV-20418, INV-20419, INV-20431"""

LOCK_TIMEOUT = """\
ERROR:  canceling statement due to lock timeout
CONTEXT:  while updating tuple (1843,12) in relation "stock_levels"
warehouse-sync: giving up after 3 tries"""

OUT_OF_MEMORY = """\
loading 1,204,118 documents
building segment 7 of 12
Killed"""

SFTP_REFUSED = """\
Connecting to sftp.carrier.example…
kex_exchange_identification: Connection closed by remote host
lost connection"""

NO_RATES = """\
GET https://rates.example/daily 200 in 0.41 s
ValueError: no quotation for 'NOK' in the answer (31 of 32 currencies)"""

TLS_PROBLEM = """\
renewing portal.harbour.example
urn:ietf:params:acme:error:rateLimited: too many certificates already issued for this set of domains"""


JOBS = (
    Job(
        "Nightly database backup",
        "Dumps the freight database and uploads it to the second site.\n\n"
        "If it fails: look at free space on backup-1 first, then run /srv/backup/backup.sh by hand.",
        ("database", "backup", "critical"),
        cron("0 2 * * *"),
        1_140,
        grace=10 * MINUTE,
        starts=True,
        output=BACKUP,
        metrics={"gigabytes": 9.7, "tables": 184},
        troubles=(
            Trouble(
                19,
                "failed",
                1,
                2,
                DISK_FULL,
                (
                    Deed(0.1, "Bob"),
                    Deed(0.2, "Bob", "backup-1 is full: the crane controllers wrote 60 GB of logs."),
                    Deed(0.6, "Alice", "Moved them away and ordered a larger disk. Let’s watch the next run."),
                ),
            ),
        ),
        ending=Ending.MISSED,
    ),
    Job(
        "Customs declarations export",
        "Sends the day’s declarations to the customs portal. Vessels can’t leave without.",
        ("customs", "critical"),
        cron("15 * * * *", "Europe/Amsterdam"),
        94,
        spread=0.3,
        grace=10 * MINUTE,
        output=CUSTOMS,
        metrics={"declarations": 187},
        troubles=(
            Trouble(12, "failed", 2, 1, CUSTOMS_TRACE, (Deed(0.3, "Alice"),)),
            Trouble(
                0,
                "failed",
                3,
                1,
                CUSTOMS_TRACE,
                (Deed(0.25, "Bob"), Deed(0.4, "Bob", "The portal’s own page says maintenance until this evening.")),
            ),
        ),
        ending=Ending.FAILED,
    ),
    Job(
        "Crane telemetry",
        "Reads the position and load of every crane.",
        ("cranes", "realtime"),
        every(MINUTE),
        2.1,
        grace=2 * MINUTE,
        max_runtime=MINUTE,
        spread=0.25,
        troubles=(
            Trouble(8.4, "missed", 9, deeds=(Deed(0.5, "Bob", "Switch 4 rebooted after the firmware update."),)),
            Trouble(23.1, "missed", 6),
        ),
    ),
    Job(
        "Warehouse sync",
        "Stock levels from the three warehouses into the freight database.",
        ("warehouse", "sync"),
        every(5 * MINUTE),
        11,
        grace=5 * MINUTE,
        max_runtime=10 * MINUTE,
        spread=0.35,
        output="3 warehouses, 212 changes",
        metrics={"changes": 212},
        troubles=(
            Trouble(4.3, "failed", 3, 1, LOCK_TIMEOUT, (Deed(0.5, "Mia"),)),
            Trouble(15.2, "failed", 2, 1, LOCK_TIMEOUT),
        ),
    ),
    Job(
        "Invoice e-mails",
        "Sends the invoices of the day.",
        ("billing", "mail"),
        cron("0 7 * * 1-5"),
        96,
        grace=15 * MINUTE,
        output="rendered 48 invoices\nsent 48, bounced 0",
        metrics={"invoices": 48},
        troubles=(
            Trouble(
                9,
                "failed",
                1,
                1,
                MAIL_REFUSED,
                (Deed(0.05, "Alice"), Deed(0.1, "Alice", "Sent the three by hand; the relay was restarting.")),
            ),
        ),
    ),
    Job(
        "Search index rebuild",
        "Builds the search index of consignments anew.",
        ("search",),
        every(6 * HOUR),
        2_100,
        grace=30 * MINUTE,
        max_runtime=90 * MINUTE,
        starts=True,
        spread=0.12,
        metrics={"documents": 1_204_118},
        steps=("read documents", "build segments", "merge", "warm up", "swap"),
        output="12 segments, 1,204,118 documents\nswapped in 0.4 s",
        troubles=(
            Trouble(
                6.2,
                "failed",
                1,
                137,
                OUT_OF_MEMORY,
                (Deed(0.3, "Bob", "Killed by the kernel; raised the limit to 6 GB."),),
            ),
            Trouble(17.6, "overrun", deeds=(Deed(0.4, "Mia"),)),
        ),
        ending=Ending.RUNNING,
    ),
    Job(
        "Driver app statistics",
        "Figures of the drivers’ app for the weekly meeting.",
        ("reports",),
        every(DAY),
        45,
        grace=6 * HOUR,
        ending=Ending.LATE,
    ),
    Job(
        "Legacy EDI bridge",
        "Kept until the last carrier has moved to the API.",
        ("edi", "legacy"),
        every(15 * MINUTE),
        6.5,
        troubles=(Trouble(11.5, "failed", 4, 1, SFTP_REFUSED),),
        ending=Ending.PAUSED,
    ),
    Job(
        "Berth planning optimiser",
        "New: proposes berths for the coming week.",
        ("planning",),
        cron("30 4 * * *"),
        600,
        ending=Ending.NEW,
    ),
    Job(
        "TLS renewal",
        "Renews certificates that end within 30 days.",
        ("security", "web"),
        cron("17 3 * * *", "UTC"),
        8,
        output="4 certificates, none due",
        grace=30 * MINUTE,
        troubles=(Trouble(13, "failed", 2, 1, TLS_PROBLEM, (Deed(0.4, "Bob"),)),),
    ),
    Job(
        "Log rotation",
        "On every machine of the terminal.",
        ("infrastructure",),
        cron("5 0 * * *"),
        3.2,
        grace=15 * MINUTE,
    ),
    Job(
        "Tide tables",
        "Fetches the water levels of the next fortnight.",
        ("planning",),
        calendar("*-*-* 05:30:00"),
        4.4,
        metrics={"stations": 14},
    ),
    Job(
        "Vessel positions",
        "AIS positions within 60 nautical miles.",
        ("realtime", "vessels"),
        every(10 * MINUTE),
        5.8,
        spread=0.4,
        metrics={"vessels": 73},
        troubles=(Trouble(2.6, "missed", 2),),
    ),
    Job(
        "Container gate reconciliation",
        "Compares gate scans with bookings.",
        ("gate", "warehouse"),
        cron("*/30 * * * *"),
        38,
        spread=0.25,
        output="checked 402 scans, 3 to be looked at",
        metrics={"scans": 402, "unclear": 3},
        troubles=(Trouble(20.4, "failed", 1, 3, LOCK_TIMEOUT),),
    ),
    Job(
        "Exchange rates",
        "Daily rates for invoicing, before the banks open.",
        ("billing",),
        cron("45 6 * * 1-5", "Europe/London"),
        1.9,
        output="32 currencies",
        troubles=(
            Trouble(16, "failed", 1, 1, NO_RATES, (Deed(0.02, "Mia", "NOK came an hour later; ran it again."),)),
        ),
    ),
    Job(
        "Payroll export",
        "Hours worked to the payroll office, every second and last working day.",
        ("people", "billing"),
        calendar("Mon *-*-* 20:00:00\nThu *-*-* 20:00:00"),
        61,
        grace=HOUR,
        output="318 people",
    ),
    Job(
        "Dangerous goods report",
        "To the harbour master, three times a day.",
        ("customs", "critical"),
        calendar("*-*-* 06,14,22:00:00"),
        27,
        grace=20 * MINUTE,
        output="19 containers of classes 3, 8 and 9",
        metrics={"containers": 19},
    ),
    Job(
        "Reefer temperatures",
        "Reads the 140 cooled containers and warns of outliers.",
        ("realtime", "reefer"),
        every(5 * MINUTE),
        7.7,
        max_runtime=4 * MINUTE,
        spread=0.3,
        metrics={"warmest": -17.4},
        troubles=(Trouble(5.1, "failed", 2, 1, "modbus: no answer from gateway 10.20.7.3 within 5 s"),),
    ),
    Job("Customer portal cache", "Warms the pages that everybody opens at eight.", ("web",), cron("50 7 * * *"), 22),
    Job(
        "Singapore office mirror",
        "Documents to the office in Singapore.",
        ("sync", "singapore"),
        cron("0 1 * * *", "Asia/Singapore"),
        720,
        starts=True,
        grace=20 * MINUTE,
        metrics={"gigabytes": 3.1},
        steps=("compare", "copy", "verify"),
        output="compared 88,412 files\ncopied 1,204\nverified",
    ),
    Job(
        "New York rate sheets",
        "Carriers’ rates for the Atlantic.",
        ("billing", "new-york"),
        cron("30 6 * * 1-5", "America/New_York"),
        48,
        grace=15 * MINUTE,
        output="11 carriers, 2,310 rates",
        troubles=(Trouble(7, "failed", 1, 255, SFTP_REFUSED),),
    ),
    Job(
        "Fuel prices",
        "Bunker prices of six ports.",
        ("billing",),
        every(HOUR),
        2.6,
        grace=20 * MINUTE,
        troubles=(Trouble(3.2, "failed", 1, 1, NO_RATES), Trouble(3.1, "failed", 1, 1, NO_RATES)),
    ),
    Job(
        "Monthly SLA report",
        "For the five largest customers.",
        ("reports",),
        cron("0 5 1 * *"),
        340,
        grace=HOUR,
        starts=True,
        output="5 reports",
    ),
    Job(
        "Backup restore rehearsal",
        "Restores last night’s backup elsewhere and counts the rows.",
        ("database", "backup"),
        cron("0 11 * * 6"),
        2_900,
        max_runtime=2 * HOUR,
        grace=30 * MINUTE,
        starts=True,
        steps=("fetch", "restore", "count rows"),
        output="restored 41.2 GB\n184 tables, 96,114,208 rows: as expected",
    ),
)
"""Everything the demo watches, the worst first."""
