"""What can be set about the server, beside what it answers with: each setting once."""

from typing import Annotated, Literal

from ..setting_fields import Group, Secret, Setting, SettingFields

ANY_ORIGIN = "*"
"""In place of origins: all of them."""

_LIMIT = "limits belong to where the server runs, and are set there once"


class ServerSettingFields(SettingFields):
    """The fields of `milvus_rag.server.settings.ServerSettings`."""

    # Address
    host: Annotated[
        str,
        Setting(
            "Address to listen on; any but loopback needs MILVUS_RAG_SERVER_KEY.",
            Group.SERVER,
            min_length=1,
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Setting("Port to listen on; 0 picks a free one.", Group.SERVER, ge=0, le=65_535)] = 8000
    root_path: Annotated[
        str, Setting("Path under which a reverse proxy shows the server, e.g. /chat.", Group.SERVER)
    ] = ""

    # Access
    server_key: Annotated[
        Secret | None,
        Setting(
            "Key that clients send as a bearer token.",
            Group.SERVER,
            variable_only="everybody on a machine can read the arguments of a process, and this one runs for long",
        ),
    ] = None
    no_auth: Annotated[
        bool, Setting("Listen on other addresses without a key: something else checks who asks.", Group.SERVER)
    ] = False
    allowed_hosts: Annotated[
        tuple[str, ...],
        Setting(
            "Host names to answer for.",
            Group.SERVER,
            default="any with a key, else loopback names",
            flags=("--allow-host",),
        ),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting(
            "Addresses of reverse proxies, whose word is taken for who asks (X-Forwarded-For).",
            Group.SERVER,
            flags=("--trust-proxy",),
        ),
    ] = ("127.0.0.1", "::1")
    allowed_origins: Annotated[
        tuple[str, ...],
        Setting(
            "Origins whose pages may ask through browsers, e.g. https://docs.example.org; * for all.",
            Group.SERVER,
            default="the server's own",
            flags=("--allow-origin",),
        ),
    ] = ()
    allow_any_origin: Annotated[
        bool, Setting("Mean it when --allow-origin is * although there is a key.", Group.SERVER)
    ] = False
    allowed_llms: Annotated[
        tuple[str, ...],
        Setting("Chat models that requests may choose beside the one of --llm.", Group.SERVER, flags=("--allow-llm",)),
    ] = ()

    # Limits
    max_body_bytes: Annotated[
        int, Setting("Bytes of a request's body.", Group.SERVER, ge=1024, variable_only=_LIMIT)
    ] = 512 * 1024
    max_question_chars: Annotated[
        int, Setting("Characters of a question.", Group.SERVER, ge=1, variable_only=_LIMIT)
    ] = 4000
    max_batch: Annotated[int, Setting("Questions in one batch request.", Group.SERVER, ge=1, variable_only=_LIMIT)] = 16
    max_in_progress: Annotated[
        int, Setting("Requests that are answered at once.", Group.SERVER, ge=1, variable_only=_LIMIT)
    ] = 128
    max_connections: Annotated[
        int | None,
        Setting(
            "Connections that are open at once; the longest idle one of the client with most of them makes room.",
            Group.SERVER,
            default="what the limit of open files allows, up to 4,096",
            ge=1,
            variable_only=_LIMIT,
        ),
    ] = None
    max_questions_per_minute: Annotated[
        int | None,
        Setting(
            "Requests with questions that one client may send in a minute.",
            Group.SERVER,
            default="any number",
            ge=1,
            variable_only=_LIMIT,
        ),
    ] = None
    head_timeout: Annotated[
        float, Setting("Seconds until the head of a request must be there.", Group.SERVER, gt=0, variable_only=_LIMIT)
    ] = 10.0
    request_timeout: Annotated[
        float, Setting("Seconds that a request may take.", Group.SERVER, gt=0, variable_only=_LIMIT)
    ] = 120.0
    shutdown_timeout: Annotated[
        float,
        Setting("Seconds that running answers get after SIGTERM.", Group.SERVER, ge=0, variable_only=_LIMIT),
    ] = 30.0
    search_threads: Annotated[
        int | None,
        Setting(
            "Searches that run at once.",
            Group.SERVER,
            default="4 on Milvus Lite, 32 on a server",
            ge=1,
            le=512,
            variable_only=_LIMIT,
        ),
    ] = None

    # Milvus Lite
    lite_process: Annotated[
        bool,
        Setting(
            "Run Milvus Lite in a process of its own, so that searches do not hold up the answers.",
            Group.SERVER,
            variable_only="it is a matter of the machine, as the limits are",
        ),
    ] = True

    # Logs
    log_format: Annotated[Literal["json", "text"], Setting("json or text.", Group.SERVER)] = "json"
    feedback: Annotated[
        bool, Setting("Let readers of the page say whether an answer helped, and write it into the log.", Group.SERVER)
    ] = False
    log_questions: Annotated[bool, Setting("Write questions into the log.", Group.SERVER)] = False
