"""Tables only, one noun a file. Importing this package makes all of them known to Alembic."""

from tokiflow.models.alert import Alert
from tokiflow.models.api_key import ApiKey
from tokiflow.models.attempt import Attempt
from tokiflow.models.audit_event import AuditEvent
from tokiflow.models.blind_spell import BlindSpell
from tokiflow.models.channel import Channel, MonitorChannel
from tokiflow.models.delivery import Delivery
from tokiflow.models.erasure import Erasure
from tokiflow.models.heartbeat import Heartbeat
from tokiflow.models.idempotency_key import IdempotencyKey
from tokiflow.models.incident import Incident
from tokiflow.models.incident_event import IncidentEvent
from tokiflow.models.membership import Membership
from tokiflow.models.monitor import Monitor
from tokiflow.models.offload import Offload
from tokiflow.models.organization import Organization
from tokiflow.models.ping import Ping
from tokiflow.models.run import Run
from tokiflow.models.sign_in_link import SignInLink
from tokiflow.models.spool import Spool
from tokiflow.models.user import User

__all__ = [
    "Alert",
    "ApiKey",
    "Attempt",
    "AuditEvent",
    "BlindSpell",
    "Channel",
    "Delivery",
    "Erasure",
    "Heartbeat",
    "IdempotencyKey",
    "Incident",
    "IncidentEvent",
    "Membership",
    "Monitor",
    "MonitorChannel",
    "Offload",
    "Organization",
    "Ping",
    "Run",
    "SignInLink",
    "Spool",
    "User",
]
