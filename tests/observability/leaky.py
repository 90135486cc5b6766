"""A process that fails with secrets everywhere. Run by test_sentry.py: the DSN and the secrets come from outside,
lest the lines of this file, which Sentry is sent, hold them."""

from __future__ import annotations

import json
import logging
import os

import sentry_sdk
import structlog
from flask import Flask

from tests.observability.given import settings_with
from tokiflow.observability import logs, requests, sentry


def main() -> None:
    """Fail in a request, in a log line, and in a background job."""
    secret = json.loads(os.environ["SECRETS"])
    settings = settings_with(TOKIFLOW_ENV="production", SENTRY_DSN=os.environ["DSN"])
    logs.configure("production", "INFO")
    sentry.configure(settings, "web")
    # One transaction in ten would make a test that passes nine times in ten.
    sentry_sdk.get_client().options["traces_sample_rate"] = 1.0
    fail_in_a_request(secret)
    fail_in_a_log_line(secret)
    fail_in_a_job(secret)
    sentry_sdk.flush(10)


def fail_in_a_request(secret: dict[str, str]) -> None:
    app = Flask("leaky")
    requests.init_app(app)

    @app.post("/ping/<token>")
    def ping(token: str) -> str:
        sentry_sdk.set_user(
            {"id": "usr_1", "email": secret["email"], "ip_address": secret["ip"], "username": secret["name"]}
        )
        sentry_sdk.set_tag("contact", secret["email"])
        sentry_sdk.set_context("deep", {"list": [{"url": f"https://x.example/ping/{token}?e={secret['email']}"}]})
        sentry_sdk.add_breadcrumb(
            message=f"mail to {secret['email']}", data={"body": secret["body"], "cookies": secret["cookie"]}
        )
        logging.getLogger("lib").info("GET /auth/link/%s", secret["link"])
        structlog.get_logger().info("crumb", password=secret["password"], to=secret["email"])
        with sentry_sdk.start_span(
            op="http.client", name=f"POST https://hooks.slack.com/services/{secret['slack']}"
        ) as span:
            span.set_data("url.query", secret["query"])
            span.set_data("target", f"postgresql://u:{secret['password']}@db/x")
        local = secret["body"]
        raise LookupError(f"/ping/{token} of {secret['email']} with {secret['key']}", len(local))

    app.test_client().post(
        f"/ping/{secret['token']}?next={secret['query']}&email={secret['email']}",
        data=secret["body"],
        headers={
            "Authorization": f"Bearer {secret['key']}",
            "Cookie": f"session={secret['cookie']}",
            "X-Custom": secret["header"],
        },
        environ_base={"REMOTE_ADDR": secret["ip"]},
    )


def fail_in_a_log_line(secret: dict[str, str]) -> None:
    log = structlog.get_logger()
    try:
        raise ConnectionError(f"redis://:{secret['password']}@cache refused {secret['email']}")
    except ConnectionError:
        log.exception("delivery_failed", delivery="dlv_1", headers={"Authorization": secret["key"]}, to=secret["email"])
    log.error("plain_error", token=secret["token"], note=f"https://hooks.slack.com/services/{secret['slack']}")
    logging.getLogger("lib").error("could not log in %s with %s", secret["email"], f"password={secret['password']}")


def fail_in_a_job(secret: dict[str, str]) -> None:
    from redis import Redis
    from rq import Queue, SimpleWorker
    from rq.serializers import JSONSerializer

    connection = Redis.from_url(os.environ["TEST_REDIS_URL"])
    queue = Queue("leaky", connection=connection, serializer=JSONSerializer)
    queue.enqueue(job, secret["token"], secret["email"], description=f"job for {secret['email']}")
    SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True)


def job(token: str, email: str) -> None:
    raise ArithmeticError(f"/ping/{token} for {email}")


if __name__ == "__main__":
    # As a module, so that the worker finds `job` by its name.
    from tests.observability import leaky

    leaky.main()
