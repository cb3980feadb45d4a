"""Whether the server in this container answers: the exit code is 0 when it does."""

import os
import sys
from http.client import HTTPConnection

port = int(os.environ.get("MILVUS_RAG_PORT") or 8000)
# Where host names are given, requests for others are refused.
name = os.environ.get("MILVUS_RAG_ALLOWED_HOSTS", "").split(",")[0].strip() or "localhost"

# Not urllib, which would ask through a proxy that the container may have for its way to a model.
connection = HTTPConnection("127.0.0.1", port, timeout=4)
connection.request("GET", "/healthz", headers={"Host": name})
sys.exit(connection.getresponse().status != 200)
