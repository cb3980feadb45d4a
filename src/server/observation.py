"""Every request is numbered, measured and logged, and what goes wrong in it becomes an answer."""

import logging
import time
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .failures import Failure, detail_of, failure_of
from .limits import ClientGoneError
from .metrics import Metrics
from .request_record import RequestRecord, current_record, request_id

logger = logging.getLogger("milvus_rag.server")

# What nginx logs for a client that went away before its answer.
_CLIENT_GONE = 499
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Observation:
    """The outermost layer.

    Args:
        app: What answers.
        metrics: Where requests are counted.
        route_of: Names the route of a request, one of few.
        failure_as: Puts a failure into the shape that the clients of a request's door read.
        log_questions: Whether questions, and messages that may quote them, go into the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        route_of: Callable[[Scope], str],
        failure_as: Callable[[Scope, Failure], Failure],
        log_questions: bool,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._route_of = route_of
        self._failure_as = failure_as
        self._log_questions = log_questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        record = RequestRecord(request_id(scope["headers"]))
        token = current_record.set(record)
        response = _Response(send, record.id)
        try:
            await self._app(scope, receive, response.send)
        except ClientGoneError as exc:
            record.note_error(exc)
            response.status = _CLIENT_GONE
        except Exception as exc:  # noqa: BLE001 - nothing of it may reach the client
            record.note_error(exc, detail_of(exc, with_message=self._log_questions))
            await response.fail(self._failure_as(scope, failure_of(exc)))
        finally:
            current_record.reset(token)
            self._finish(scope, record, response.status, time.perf_counter() - begin)

    def _finish(self, scope: Scope, record: RequestRecord, status: int, seconds: float) -> None:
        route = self._route_of(scope)
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if record.error:
            self._metrics.errors.labels(record.kind, record.error).inc()
        fields: dict[str, Any] = {
            "id": record.id,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        if record.tool:
            fields["tool"] = record.tool
        if record.models:
            fields["model"] = ",".join(record.models)
        if record.tokens_in or record.tokens_out:
            fields["tokens_in"], fields["tokens_out"] = record.tokens_in, record.tokens_out
        if record.hits is not None:
            fields["hits"] = record.hits
        if record.error:
            fields["kind"] = record.kind
            fields["error"] = record.error
        if record.detail:
            fields["detail"] = record.detail
        if self._log_questions and record.questions:
            fields["questions"] = record.questions
        failed_stream = record.error and status < 400
        level = logging.ERROR if status == 500 else logging.WARNING if status > 500 or failed_stream else logging.INFO
        logger.log(level, "%s %s %s", scope["method"], route, status, extra={"fields": fields})


class _Response:
    """What has been sent of an answer, and how to end it when it fails."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._id = request_id
        self.status = 0
        self._is_stream = False
        self._finished = False

    async def send(self, message: Message) -> None:
        """Send a part of an answer; headers that it lacks are added to its first one."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            self._is_stream = headers.get("content-type", "").startswith("text/event-stream")
            headers["X-Request-ID"] = self._id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        elif message["type"] == "http.response.body":
            self._finished = not message.get("more_body", False)
        await self._send(message)

    async def fail(self, failure: Failure) -> None:
        """Tell the client: by a status, or by an event in a stream that has begun."""
        if not self.status:
            response = failure.response(self._id)
            await self.send({"type": "http.response.start", "status": failure.status, "headers": response.raw_headers})
            await self.send({"type": "http.response.body", "body": response.body})
        elif self._is_stream and not self._finished:
            await self.send({"type": "http.response.body", "body": failure.event(self._id)})
