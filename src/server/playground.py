"""LangServe's playground, with a policy for browsers that allows what it needs and no more."""

import base64
import hashlib
import re

from langserve import APIHandler
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


async def playground_response(
    handler: APIHandler, file_path: str, request: Request, *, config_hash: str = ""
) -> Response:
    """A file of the playground.

    Raises:
        HTTPException: There is no such file.
    """
    try:
        response: Response = await handler.playground(file_path, request, config_hash=config_hash)
    except (OSError, ValueError) as exc:
        # A folder, a name that no file system takes.
        raise HTTPException(404) from exc
    if response.status_code != 200:
        raise HTTPException(response.status_code)
    if response.media_type == "text/html":
        response.headers["Content-Security-Policy"] = _policy(bytes(response.body))
    elif response.media_type in ("text/css", "application/javascript"):
        response.headers["Cache-Control"] = "no-cache"
    return response


def _policy(page: bytes) -> str:
    """What the page may do.

    It has one inline script, which is known by its digest; its form library compiles schemas with ``new Function``, and
    its style library writes style elements.
    """
    digests = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(page)]
    scripts = " ".join(["'self'", "'unsafe-eval'", *(f"'sha256-{digest}'" for digest in digests)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        f"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
