"""Tables only, one noun a file. Importing this package makes all of them known to Alembic."""

from tokiflow.models.alert import Alert
from tokiflow.models.api_key import ApiKey
from tokiflow.models.api_key_use import ApiKeyUse
from tokiflow.models.attempt import Attempt
from tokiflow.models.audit_chain import AuditChain
from tokiflow.models.audit_event import AuditEvent
from tokiflow.models.authenticator import Authenticator
from tokiflow.models.band import Band
from tokiflow.models.baseline import Baseline
from tokiflow.models.blind_spell import BlindSpell
from tokiflow.models.channel import Channel, MonitorChannel
from tokiflow.models.delivery import Delivery
from tokiflow.models.erasure import Erasure
from tokiflow.models.export import Export
from tokiflow.models.follow_up import FollowUp
from tokiflow.models.heartbeat import Heartbeat
from tokiflow.models.idempotency_key import IdempotencyKey
from tokiflow.models.incident import Incident
from tokiflow.models.incident_event import IncidentEvent
from tokiflow.models.invitation import Invitation
from tokiflow.models.letter import Letter
from tokiflow.models.maintenance_window import MaintenanceOccurrence, MaintenanceWindow, MaintenanceWindowMonitor
from tokiflow.models.membership import Membership
from tokiflow.models.monitor import Monitor
from tokiflow.models.monitor_dependency import MonitorDependency
from tokiflow.models.offload import Offload
from tokiflow.models.organization import Organization
from tokiflow.models.passkey import Passkey
from tokiflow.models.ping import Ping
from tokiflow.models.preset import Preset
from tokiflow.models.recipient import Recipient
from tokiflow.models.recovery_code import RecoveryCode
from tokiflow.models.report_schedule import ReportSchedule
from tokiflow.models.rollup import Rollup, RollupMark
from tokiflow.models.routing_rule import RoutingRule, RoutingRuleChannel
from tokiflow.models.run import Run
from tokiflow.models.sign_in_link import SignInLink
from tokiflow.models.slack_installation import SlackInstallation
from tokiflow.models.spool import Spool
from tokiflow.models.summary import Summary
from tokiflow.models.user import User
from tokiflow.models.user_session import UserSession

__all__ = [
    "Alert",
    "ApiKey",
    "ApiKeyUse",
    "Attempt",
    "AuditChain",
    "AuditEvent",
    "Authenticator",
    "Band",
    "Baseline",
    "BlindSpell",
    "Channel",
    "Delivery",
    "Erasure",
    "Export",
    "FollowUp",
    "Heartbeat",
    "IdempotencyKey",
    "Incident",
    "IncidentEvent",
    "Invitation",
    "Letter",
    "MaintenanceOccurrence",
    "MaintenanceWindow",
    "MaintenanceWindowMonitor",
    "Membership",
    "Monitor",
    "MonitorChannel",
    "MonitorDependency",
    "Offload",
    "Organization",
    "Passkey",
    "Ping",
    "Preset",
    "Recipient",
    "RecoveryCode",
    "ReportSchedule",
    "Rollup",
    "RollupMark",
    "RoutingRule",
    "RoutingRuleChannel",
    "Run",
    "SignInLink",
    "SlackInstallation",
    "Spool",
    "Summary",
    "User",
    "UserSession",
]
