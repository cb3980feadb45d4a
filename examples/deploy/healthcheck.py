"""Whether the server in this container answers: the exit code is 0 when it does.

By default whether the process answers; with ``/readyz`` as the argument, whether it can answer questions.
"""

import os
import sys
from http.client import HTTPConnection

port = int(os.environ.get("MILVUS_RAG_PORT") or 8000)
# Where host names are given, requests for others are refused.
name = os.environ.get("MILVUS_RAG_ALLOWED_HOSTS", "").split(",")[0].strip() or "localhost"

key = os.environ.get("MILVUS_RAG_SERVER_KEY", "").strip()

# Not urllib, which would ask through a proxy that the container may have for its way to a model.
path = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
connection = HTTPConnection("127.0.0.1", port, timeout=4 if path == "/healthz" else 9)
connection.request("GET", path, headers={"Host": name, "Authorization": f"Bearer {key}"} if key else {"Host": name})
sys.exit(connection.getresponse().status != 200)
