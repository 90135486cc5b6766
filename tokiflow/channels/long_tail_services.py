"""The public services that Apprise may take messages to, and the only hosts it may ask for each.

Not here: what has a channel of its own, what would run or reach something on this machine (a shell, the desktop, a
serial port, syslog), servers that anybody may run, and general hooks, for which there is the webhook.
"""

from __future__ import annotations

from typing import NamedTuple


class Service(NamedTuple):
    """One service. `plugin`: the module and the class of Apprise that speak to it."""

    title: str
    plugin: str
    hosts: tuple[str, ...]
    """The hosts it is asked at, or the domains that they are below."""
    form: str
    """What its address looks like."""
    short: bool = False
    """Whether each letter costs: it is sent what an SMS is."""
    schemas: tuple[str, ...] = ()
    """Other words that an address of it may begin with."""
    key: str = ""
    """The attribute of the plugin that joins what follows to what was told first: this service pages people."""

    @property
    def schema(self) -> str:
        """The word before `://`."""
        return self.form.partition("://")[0]


_CHAT = (
    Service("Google Chat", "google_chat:NotifyGoogleChat", ("chat.googleapis.com",), "gchat://workspace/key/token"),
    Service("Zulip Cloud", "zulip:NotifyZulip", ("zulipchat.com",), "zulip://bot@organization/token/channel"),
    Service(
        "Webex",
        "webexteams:NotifyWebexTeams",
        ("api.ciscospark.com", "webexapis.com"),
        "webex://token",
        schemas=("wxteams",),
    ),
    Service("Zoom Team Chat", "zoom:NotifyZoom", ("inbots.zoom.us",), "zoom://webhook id/token"),
    Service(
        "Zoho Cliq",
        "cliq:NotifyCliq",
        ("cliq.zoho.com", "cliq.zoho.eu", "cliq.zoho.in", "cliq.zoho.com.au", "cliq.zoho.jp", "cliq.zohocloud.ca"),
        "cliq://token/channel",
        schemas=("zcliq", "zohocliq"),
    ),
    Service("Flock", "flock:NotifyFlock", ("api.flock.com", "api.flock.co"), "flock://token"),
    Service("Ryver", "ryver:NotifyRyver", ("ryver.com",), "ryver://organization/token"),
    Service("Stackfield", "stackfield:NotifyStackfield", ("www.stackfield.com",), "stackfield://token"),
    Service("GroupMe", "groupme:NotifyGroupMe", ("api.groupme.com",), "groupme://bot id"),
    Service("LINE", "line:NotifyLine", ("api.line.me",), "line://token/user"),
    Service("Viber", "viber:NotifyViber", ("chatapi.viber.com",), "viber://token/receiver"),
    Service("WhatsApp Business", "whatsapp:NotifyWhatsApp", ("graph.facebook.com",), "whatsapp://token@phone id/phone"),
    Service("Threema", "threema:NotifyThreema", ("msgapi.threema.ch",), "threema://*GATEWAY@secret/receiver"),
    Service("DingTalk", "dingtalk:NotifyDingTalk", ("oapi.dingtalk.com",), "dingtalk://secret@token"),
    Service("Feishu", "feishu:NotifyFeishu", ("open.feishu.cn",), "feishu://token"),
    Service("Lark", "lark:NotifyLark", ("open.larksuite.com",), "lark://token"),
)
_ON_CALL = (
    Service("ilert", "ilert:NotifyILert", ("api.ilert.com",), "ilert://key", key="dedup"),
    Service(
        "incident.io", "incidentio:NotifyIncidentIO", ("api.incident.io",), "incidentio://source/token", key="dedup"
    ),
    Service(
        "FireHydrant",
        "firehydrant:NotifyFireHydrant",
        ("signals.firehydrant.com",),
        "firehydrant://token",
        key="dedup",
    ),
    Service(
        "Splunk On-Call",
        "splunk:NotifySplunk",
        ("alert.victorops.com",),
        "splunk://routing key@key",
        schemas=("victorops",),
        key="entity_id",
    ),
    Service(
        "Squadcast",
        "squadcast:NotifySquadcast",
        ("api.squadcast.com", "api.eu.squadcast.com"),
        "squadcast://key",
        key="dedup",
    ),
    Service("SIGNL4", "signl4:NotifySIGNL4", ("connect.signl4.com",), "signl4://secret", key="external_id"),
    Service(
        "PagerTree", "pagertree:NotifyPagerTree", ("api.pagertree.com",), "pagertree://integration", key="thirdparty"
    ),
    Service("Spike", "spike:NotifySpike", ("api.spike.sh",), "spike://token"),
)
_PHONES = (
    Service("Prowl", "prowl:NotifyProwl", ("api.prowlapp.com",), "prowl://key"),
    Service("Pushbullet", "pushbullet:NotifyPushBullet", ("api.pushbullet.com",), "pbul://token"),
    Service("Pushsafer", "pushsafer:NotifyPushSafer", ("www.pushsafer.com",), "psafers://key"),
    Service("Techulus Push", "techuluspush:NotifyTechulusPush", ("push.techulus.com",), "push://key"),
    Service("Join", "join:NotifyJoin", ("joinjoaomgcd.appspot.com",), "join://key/device"),
    Service("IFTTT", "ifttt:NotifyIFTTT", ("maker.ifttt.com",), "ifttt://key@event"),
)
_TEXT_MESSAGES = (
    Service(
        "Vonage",
        "vonage:NotifyVonage",
        ("rest.nexmo.com",),
        "vonage://key:secret@sender/phone",
        short=True,
        schemas=("nexmo",),
    ),
    Service(
        "MessageBird",
        "messagebird:NotifyMessageBird",
        ("rest.messagebird.com",),
        "msgbird://key/sender/phone",
        short=True,
    ),
    Service("Sinch", "sinch:NotifySinch", ("sms.api.sinch.com",), "sinch://plan:token@sender/phone", short=True),
    Service(
        "ClickSend", "clicksend:NotifyClickSend", ("rest.clicksend.com",), "clicksend://user:key@phone", short=True
    ),
    Service("Telnyx", "telnyx:NotifyTelnyx", ("api.telnyx.com",), "telnyx://key@sender/phone", short=True),
    Service(
        "Clickatell", "clickatell:NotifyClickatell", ("platform.clickatell.com",), "clickatell://key/phone", short=True
    ),
    Service("BulkSMS", "bulksms:NotifyBulkSMS", ("api.bulksms.com",), "bulksms://id:secret@phone", short=True),
    Service("seven", "seven:NotifySeven", ("gateway.seven.io",), "seven://key/phone", short=True),
    Service(
        "46elks",
        "fortysixelks:Notify46Elks",
        ("api.46elks.com",),
        "46elks://user:password@sender/phone",
        short=True,
        schemas=("elks",),
    ),
)
GROUPS = (
    ("Chat", _CHAT),
    ("On call", _ON_CALL),
    ("Phones and desktops", _PHONES),
    ("Text messages", _TEXT_MESSAGES),
)
SERVICES = tuple(service for _, services in GROUPS for service in services)
BY_SCHEMA = {schema: service for service in SERVICES for schema in (service.schema, *service.schemas)}
