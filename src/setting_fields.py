"""What can be set: each setting once, with its type, default, bounds and help.

The command's options, the environment variables, `docs/cli.md` and the messages about values that cannot be used are
made from these fields. The command's help reads them too, so nothing of pydantic is imported here; `settings` reads and
checks the values.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, reduce
from operator import or_
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import SecretStr

    Secret: TypeAlias = SecretStr
else:

    class Secret:
        """A value that is never shown: pydantic's SecretStr, which is imported when a model is made of the fields."""

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            """The schema of SecretStr, so that values are of that type."""
            from pydantic import SecretStr

            return handler.generate_schema(SecretStr)


PREFIX = "MILVUS_RAG_"

Mode = Literal["dense", "full_text", "hybrid"]
SplitterName = Literal["markdown", "marker"]
Floor = Literal["auto", "none"]
FusionName = Literal["weighted", "rrf"]
Weighing = Literal["auto"]
ConsistencyLevel = Literal["Strong", "Session", "Bounded", "Eventually"]
PoolingName = Literal["mean", "cls", "lasttoken"]
# Written as JSON.
JsonObject = dict[str, Any]
JsonObjects = dict[str, Any] | list[dict[str, Any]]


class Group(StrEnum):
    """Settings that a command has as options together, or not at all."""

    MILVUS = "Milvus"
    COLLECTION = "New collection"
    CHAT = "Chat model"
    EMBEDDING = "Embedding model"
    RERANKING = "Reranker"
    FILES = "Files"
    RETRIEVAL = "Retrieval"
    SERVER = "Server"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is said about a setting beside its name, type and default; the `Annotated` metadata of a field.

    Attributes:
        help: What it is, a sentence.
        group: The options that it belongs to.
        default: What happens by default, where the field's value does not say it.
        flags: Its options, where that is not its name.
        ge: The least value.
        gt: A value that it must be over.
        le: The greatest value.
        min_length: Of a text, in characters.
        variable_only: Why it is no option; empty where it is one.
    """

    help: str
    group: Group
    default: str = ""
    flags: tuple[str, ...] = ()
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    min_length: int | None = None
    variable_only: str = ""

    # The protocol by which pydantic unpacks a piece of metadata into several: annotated_types.GroupedMetadata.
    @property
    def __is_annotated_types_grouped_metadata__(self) -> Literal[True]:
        return True

    def __iter__(self) -> Iterator[object]:
        """The bounds, as pydantic knows them."""
        from annotated_types import Ge, Gt, Le, MinLen

        for kind, value in ((Ge, self.ge), (Gt, self.gt), (Le, self.le), (MinLen, self.min_length)):
            if value is not None:
                yield kind(value)  # type: ignore[arg-type, operator, unused-ignore]

    @property
    def bounds(self) -> str:
        """The values that a number may have, as the command's help writes them: ``1<=x<=100``."""
        if self.le is None:
            return f"x>={self.ge}" if self.ge is not None else f"x>{self.gt}" if self.gt is not None else ""
        least = f"{self.ge}<=" if self.ge is not None else f"{self.gt}<" if self.gt is not None else ""
        return f"{least}x<={self.le}"


class DeclaredSetting(NamedTuple):
    """A field with all that is said about it.

    Attributes:
        name: Of the field.
        kind: Its type, without None.
        value: Its default.
        setting: The rest.
    """

    name: str
    kind: Any
    value: Any
    setting: Setting

    @property
    def flags(self) -> tuple[str, ...]:
        """Its options, the one that messages name first."""
        return self.setting.flags or (f"--{self.name.replace('_', '-')}",)

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{PREFIX}{self.name.upper()}"

    @property
    def default(self) -> str:
        """What happens by default, in words; empty where nothing does."""
        return self.setting.default or ("" if self.value in (None, "", ()) else str(self.value))

    def described(self, *, several: str, secret: str = "") -> str:
        """What it is, and what is said of each that takes several values, or that is a secret."""
        notes = (several if self.is_list else "", secret if self.kind is Secret else "")
        text = "; ".join([self.setting.help.removesuffix("."), *filter(None, notes)])
        return text if text.endswith("…") else f"{text}."

    @property
    def words(self) -> tuple[str, ...]:
        """The words of which it takes one; none where it takes others too."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def is_json(self) -> bool:
        """Whether it is written as JSON."""
        return self.kind in (JsonObject, JsonObjects)

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return get_origin(self.kind) is tuple


@cache
def declared_settings(fields: type) -> Mapping[str, DeclaredSetting]:
    """The settings that a class and its bases declare, by name: those of the bases first."""
    found: dict[str, DeclaredSetting] = {}
    for base in reversed(fields.__mro__):
        for name, annotation in inspect.get_annotations(base).items():
            origin: Any = get_origin(annotation)
            if origin is Annotated:
                kind, *metadata = get_args(annotation)
                for setting in metadata:
                    if isinstance(setting, Setting):
                        found[name] = DeclaredSetting(name, _without_none(kind), vars(base)[name], setting)
    return MappingProxyType(found)


def _without_none(kind: Any) -> Any:
    if type(None) not in get_args(kind):
        return kind
    return reduce(or_, (member for member in get_args(kind) if member is not type(None)))


_SECONDS_WHY = "it belongs to the network, not to what is asked"


class SettingFields:
    """The fields of `milvus_rag.Settings`. Within a group, options are listed in this order."""

    # Milvus
    uri: Annotated[str, Setting("A path ending in .db (Milvus Lite), or a server's URI.", Group.MILVUS)] = (
        "./milvus_demo.db"
    )
    token: Annotated[Secret | None, Setting("user:password or API key of the Milvus server.", Group.MILVUS)] = None
    db_name: Annotated[str | None, Setting("Database on the server.", Group.MILVUS)] = None
    consistency_level: Annotated[
        ConsistencyLevel | None,
        Setting(
            "What searches on a server are sure to see; Strong waits 0.2 s for everything.",
            Group.MILVUS,
            default="own writes, others' but for seconds",
        ),
    ] = None
    collection: Annotated[str, Setting("Collection or alias.", Group.MILVUS, min_length=1)] = "my_rag_collection"
    timeout: Annotated[
        float, Setting("Seconds that a call to Milvus may take.", Group.MILVUS, gt=0, variable_only=_SECONDS_WHY)
    ] = 30.0

    # How a new collection is made; `LangChainArguments` says more of each.
    index_params: Annotated[
        JsonObjects | None,
        Setting(
            'Its index as JSON, e.g. {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 16}}.',
            Group.COLLECTION,
            default="what the server chooses; FLAT on Milvus Lite",
        ),
    ] = None
    num_shards: Annotated[
        int | None, Setting("Shards that take what is written.", Group.COLLECTION, default="the server's", ge=1)
    ] = None
    replica_number: Annotated[
        int | None, Setting("Copies that are loaded, by whoever loads it.", Group.COLLECTION, default="1", ge=1)
    ] = None
    partition_key_field: Annotated[
        str | None, Setting("Metadata key by which rows are put into partitions.", Group.COLLECTION, min_length=1)
    ] = None
    num_partitions: Annotated[
        int | None, Setting("Partitions by that key.", Group.COLLECTION, default="the server's", ge=1)
    ] = None
    collection_properties: Annotated[
        JsonObject | None,
        Setting('Properties of Milvus as JSON, e.g. {"mmap.enabled": true}.', Group.COLLECTION),
    ] = None

    # Models
    llm: Annotated[
        str | None,
        Setting("Chat model: PROVIDER or PROVIDER:MODEL.", Group.CHAT, default="local, which quotes the passages"),
    ] = None
    llm_url: Annotated[
        str | None,
        Setting("Address of the chat model's server.", Group.CHAT, default="the provider's own, or its variable"),
    ] = None
    llm_key: Annotated[Secret | None, Setting("Key of the chat model's server.", Group.CHAT)] = None
    temperature: Annotated[
        float | None, Setting("How freely it chooses words.", Group.CHAT, default="the model's own", ge=0, le=2)
    ] = None
    max_tokens: Annotated[
        int | None,
        Setting(
            "Tokens that an answer may have, thoughts included.",
            Group.CHAT,
            default="4096, and to reach them is an error",
            ge=1,
        ),
    ] = None
    seed: Annotated[int | None, Setting("Seed of its choices, for models that take one.", Group.CHAT, ge=0)] = None
    extra_body: Annotated[
        JsonObject | None, Setting("Further fields of each request, as a JSON object.", Group.CHAT)
    ] = None
    embeddings: Annotated[
        str | None,
        Setting(
            "Embedding model: PROVIDER or PROVIDER:MODEL; none for full-text search only.",
            Group.EMBEDDING,
            default="what the collection was built with; none for a new one",
        ),
    ] = None
    provider: Annotated[
        str | None, Setting("Provider of chat model and embeddings: gemini, fireworks, …", Group.EMBEDDING)
    ] = None
    embeddings_url: Annotated[
        str | None,
        Setting(
            "Address of the embedding model's server.", Group.EMBEDDING, default="the provider's own, or its variable"
        ),
    ] = None
    embeddings_key: Annotated[Secret | None, Setting("Key of the embedding model's server.", Group.EMBEDDING)] = None
    dimension: Annotated[
        int | None, Setting("Length of a vector to ask for.", Group.EMBEDDING, default="the model's own", ge=1)
    ] = None
    query_prefix: Annotated[
        str | None,
        Setting("Put in front of a question; none for nothing.", Group.EMBEDDING, default="what the model wants"),
    ] = None
    document_prefix: Annotated[
        str | None,
        Setting("Put in front of a document; none for nothing.", Group.EMBEDDING, default="what the model wants"),
    ] = None
    pooling: Annotated[
        PoolingName | None,
        Setting(
            "How a model in a folder pools: mean, cls or lasttoken.", Group.EMBEDDING, default="what the folder says"
        ),
    ] = None
    reranker: Annotated[
        str | None, Setting("Reranker: jina, jina:MODEL, local:MODEL.", Group.RERANKING, flags=("--rerank",))
    ] = None
    model_timeout: Annotated[
        float, Setting("Seconds that a model's server may be silent.", Group.CHAT, gt=0, variable_only=_SECONDS_WHY)
    ] = 60.0
    answer_timeout: Annotated[
        float, Setting("Seconds that a whole answer may take.", Group.CHAT, gt=0, variable_only=_SECONDS_WHY)
    ] = 600.0
    retry_seconds: Annotated[
        float,
        Setting(
            "Seconds in which a chat model that fails is asked again.", Group.CHAT, ge=0, variable_only=_SECONDS_WHY
        ),
    ] = 20.0
    citations: Annotated[
        bool, Setting("Have the answer cite its passages by number, and check what it cites.", Group.CHAT)
    ] = True

    # Files
    glob: Annotated[
        tuple[str, ...],
        Setting("Files of a folder or archive to take, e.g. **/*.{md,mdx}.", Group.FILES, default="all known kinds"),
    ] = ()
    exclude: Annotated[
        tuple[str, ...], Setting("Files or folders not to take, e.g. drafts or **/*.es.md.", Group.FILES)
    ] = ()
    max_pages: Annotated[int, Setting("Pages of a site to load, at most.", Group.FILES, ge=1)] = 2000
    private_addresses: Annotated[bool, Setting("Load sites at loopback and private addresses too.", Group.FILES)] = (
        False
    )
    splitter: Annotated[
        SplitterName, Setting("markdown cuts at headings, marker at '# ' as the tutorials do.", Group.FILES)
    ] = "markdown"
    chunk_size: Annotated[
        int, Setting("Characters a chunk may have (markdown splitter).", Group.FILES, ge=100, le=20_000)
    ] = 1200
    language: Annotated[
        str | None,
        Setting(
            "Language of full-text search; none for no stems.",
            Group.FILES,
            default="what the collection was built with; recognised for a new one",
        ),
    ] = None

    # Retrieval
    k: Annotated[int, Setting("Passages.", Group.RETRIEVAL, flags=("--k", "-k"), ge=1, le=100)] = 3
    mode: Annotated[
        Mode | None, Setting("dense, full_text or hybrid.", Group.RETRIEVAL, default="all that the collection has")
    ] = None
    fusion: Annotated[
        FusionName, Setting("How a hybrid search makes one list of two: weighted, by scores, or rrf.", Group.RETRIEVAL)
    ] = "weighted"
    weights: Annotated[
        tuple[float, float] | Weighing,
        Setting(
            "Of the dense and the full-text search in a hybrid one, e.g. 0.3,0.7; auto follows the question.",
            Group.RETRIEVAL,
        ),
    ] = "auto"
    fetch_k: Annotated[
        int | None, Setting("Hits of each search before they are fused.", Group.RETRIEVAL, ge=1, le=1000)
    ] = None
    search_params: Annotated[
        JsonObject | None,
        Setting(
            'Of the dense index, as JSON, e.g. {"params": {"ef": 128}}.', Group.RETRIEVAL, default="the index' own"
        ),
    ] = None
    min_score: Annotated[
        float | Floor,
        Setting(
            "When the documents do not answer: auto decides by the question's words, none never, and a number from -1 "
            "to 1 is a floor on the cosine of question and passage.",
            Group.RETRIEVAL,
        ),
    ] = "auto"
    expand: Annotated[int, Setting("Chunks to add before and after each passage.", Group.RETRIEVAL, ge=0, le=10)] = 0
