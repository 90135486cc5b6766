"""What an operator pastes at Slack to make the app: https://docs.slack.dev/reference/app-manifest"""

from __future__ import annotations

from tokiflow.channels.slack_oauth import SCOPES

NEW_APP = "https://api.slack.com/apps?new_app=1"
CALLBACK = "/app/channels/slack/callback"


def manifest(public_url: str) -> str:
    """The manifest of the app of the Tokiflow at `public_url`, as YAML."""
    scopes = "\n".join(f"      - {scope}" for scope in SCOPES)
    return f"""display_information:
  name: Tokiflow
  description: Tells of scheduled jobs that fail in silence
  background_color: "#1d2733"
features:
  bot_user:
    display_name: Tokiflow
    always_online: true
  slash_commands:
    - command: /tokiflow
      url: {public_url}/hooks/slack/commands
      description: See what is broken, acknowledge it, mute it
      usage_hint: status | monitors | ack <id> | mute <monitor> <time> | help
      should_escape: false
oauth_config:
  redirect_urls:
    - {public_url}{CALLBACK}
  scopes:
    bot:
{scopes}
settings:
  event_subscriptions:
    request_url: {public_url}/hooks/slack/events
    bot_events:
      - app_uninstalled
      - tokens_revoked
  interactivity:
    is_enabled: true
    request_url: {public_url}/hooks/slack/actions
  org_deploy_enabled: false
  socket_mode_enabled: false
  token_rotation_enabled: false
"""
