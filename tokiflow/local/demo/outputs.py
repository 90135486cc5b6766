"""What the jobs of the demo print. {time} is a moment of the run, each later than the one before (history.printed)."""

from __future__ import annotations

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
