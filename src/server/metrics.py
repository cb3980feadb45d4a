"""Prometheus metrics of one server, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.responses import Response

# Seconds: from a full-text search on Milvus Lite up to an answer that a language model takes its time for.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """What is counted and measured. Labels have few values: routes as they are declared, names of models."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter(
            "milvus_rag_requests", "Requests, by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "milvus_rag_request_seconds",
            "Time from the first byte of a request to the last byte of its answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "milvus_rag_requests_in_progress", "Requests that are being answered.", registry=self.registry
        )
        self.errors = Counter(
            "milvus_rag_errors",
            "Requests that failed, by the kind of what went wrong, and by its class.",
            ["kind", "error"],
            registry=self.registry,
        )
        self.search_seconds = Histogram(
            "milvus_rag_search_seconds", "Time of a search.", buckets=_BUCKETS, registry=self.registry
        )
        self.hits = Counter("milvus_rag_hits", "Passages found.", registry=self.registry)
        self.model_seconds = Histogram(
            "milvus_rag_model_seconds", "Time of a model's answer.", ["model"], buckets=_BUCKETS, registry=self.registry
        )
        self.first_token_seconds = Histogram(
            "milvus_rag_first_token_seconds",
            "Time until a streamed answer begins.",
            ["model"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "milvus_rag_model_tokens",
            "Tokens that models read (in) and wrote (out), as they count them.",
            ["model", "direction"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def response(self) -> Response:
        """All of it in Prometheus' text format."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
