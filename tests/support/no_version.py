"""A server before a Milvus that passes on all but the question for its version, as some proxies do."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

_SECONDS = 30


class _Front(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if handler_call_details.method.endswith("/GetVersion"):
            # As gRPC itself answers what a server does not have.
            return None
        call = self._channel.unary_unary(handler_call_details.method)
        return grpc.unary_unary_rpc_method_handler(self._passed_on(call))

    def _passed_on(self, call: Callable[..., Any]) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def pass_on(request: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return bytes(call(request, timeout=_SECONDS))
            except grpc.RpcError as exc:
                context.abort(exc.code(), exc.details())
                raise AssertionError("abort raises") from exc

        return pass_on


@contextlib.contextmanager
def without_version(uri: str) -> Iterator[str]:
    """Stand before the Milvus at a URI. Gives the URI of this."""
    with grpc.insecure_channel(uri.removeprefix("http://")) as channel:
        server = grpc.server(ThreadPoolExecutor(4), handlers=[_Front(channel)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop(None).wait()
