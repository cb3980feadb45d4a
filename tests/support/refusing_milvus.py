"""A server that speaks Milvus' protocol as far as saying no."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc


class _Refusal(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        self._code = code
        self._message = message

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self._refuse)

    def _refuse(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(self._code, self._message)
        raise AssertionError("abort raises")


@contextlib.contextmanager
def refusing_milvus(code: grpc.StatusCode, message: str) -> Iterator[str]:
    """Answer every call with an error.

    Args:
        code: E.g. UNAUTHENTICATED, as a Milvus with authorization does that is given a wrong token.
        message: In the server's words.

    Yields:
        Its URI.
    """
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Refusal(code, message)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
