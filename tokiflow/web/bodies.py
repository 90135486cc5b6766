"""Bodies that come in chunks: nobody says how long they are, so they are measured before anybody reads them."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def measured(app: WSGIApplication, limit: int) -> WSGIApplication:
    """`app`, for which a body in chunks looks like any other. Of one that has more than `limit` bytes it sees one more
    than that, and refuses it as it refuses all that are too long."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            body = environ["wsgi.input"].read(limit + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            del environ["HTTP_TRANSFER_ENCODING"]
        return app(environ, start_response)

    return application
