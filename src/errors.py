"""What can go wrong, as a tree.

MilvusRagError
├── InputError (ValueError)             an argument or a question that cannot be used
│   ├── SettingsError                   a setting has a value that cannot be used
│   └── FilterError                     a metadata filter that cannot be understood
├── MissingExtraError (ImportError)     an optional package is not installed
├── IncompatiblePackageError (ImportError)
│                                       a package of a release that works in another way inside
├── LoaderError
│   ├── SourceNotFoundError             no such file, folder or URL
│   ├── EmptySourceError                nothing matches the glob
│   ├── UnreadableFileError             one file cannot be read as text
│   ├── SourceTooLargeError             a file, a download or an unpacked archive is over its limit
│   └── ArchiveError                    a zip that cannot be read
├── ModelError                          a provider, or a model on this machine
│   ├── UnknownProviderError
│   ├── MissingKeyError
│   ├── AuthenticationError             the provider refuses the key
│   ├── ModelNotFoundError              the provider does not serve this model
│   ├── RateLimitError                  429, after all retries
│   ├── QuotaExceededError              the account has nothing left, today or at all
│   ├── InputTooLargeError              a request or a text is over the model's limit
│   ├── ProviderUnavailableError        5xx after all retries, no connection, a dead host
│   ├── ModelTimeoutError
│   └── ModelResponseError              an answer that is empty, cut off, malformed or of the wrong shape
├── EngineError                         an engine that cannot be reached, or that lost its workers
└── StoreError
    ├── StoreUnavailableError           a server that does not answer
    ├── StoreAuthenticationError        a token or password that is refused
    ├── DatabaseLockedError             another process has the Milvus Lite database open
    ├── IncompatibleDatabaseError       a file that Milvus Lite 3 cannot open
    ├── CollectionNotFoundError
    ├── CollectionReplacedError         a rebuild switched the index while a sync wrote to it
    ├── CollectionSchemaError           a collection whose fields do not fit what is asked of it
    ├── EmbeddingMismatchError          a collection that was built with another embedding
    └── FullTextUnavailableError        full-text search where there is none

Each message says what is wrong, with which value, and what to do. No message carries a secret.
"""


class MilvusRagError(Exception):
    """Base of all errors that this package raises on purpose."""


class InputError(MilvusRagError, ValueError):
    """An argument or a question that cannot be used."""


class SettingsError(InputError):
    """A setting has a value that cannot be used."""


class FilterError(InputError):
    """A metadata filter that cannot be understood."""


class MissingExtraError(MilvusRagError, ImportError):
    """An optional package is not installed."""


class IncompatiblePackageError(MilvusRagError, ImportError):
    """An installed package is of a release that works in another way inside than those that this one knows."""


class LoaderError(MilvusRagError):
    """Files that cannot be loaded.

    Attributes:
        source: Name of the file that it concerns; None where it concerns more than one.
        hides_sources: Whether there may be sources that are not given because of it: those of a folder that cannot be
            listed, or that a page leads to. What is not given is then not known to be gone.
    """

    source: str | None = None
    hides_sources: bool = True


class SourceNotFoundError(LoaderError):
    """There is no such file, folder or URL."""


class EmptySourceError(LoaderError):
    """Nothing below the source matches the glob."""


class UnreadableFileError(LoaderError):
    """One file that cannot be read as UTF-8 text."""


class SourceTooLargeError(LoaderError):
    """A file, a download or an unpacked archive is over its limit."""


class ArchiveError(LoaderError):
    """A zip archive that cannot be read."""


class ModelError(MilvusRagError):
    """A chat model, an embedding model or a reranker that fails."""


class UnknownProviderError(ModelError, ValueError):
    """A spec names a provider that is not in the table."""


class MissingKeyError(ModelError):
    """A provider needs a key and none is set."""


class AuthenticationError(ModelError):
    """The provider refuses the key."""


class ModelNotFoundError(ModelError):
    """The provider does not serve this model."""


class RateLimitError(ModelError):
    """The provider still answers 429 after all retries.

    Attributes:
        retry_after: seconds that the provider asks to wait, where it says so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExceededError(ModelError):
    """The account has nothing left, for today or at all: no credit, a spending limit. Waiting a while does not help."""


class InputTooLargeError(ModelError):
    """A request or a single text is over the model's limit."""


class ProviderUnavailableError(ModelError):
    """The provider answers 5xx after all retries, or cannot be reached.

    Attributes:
        retry_after: seconds that the provider asks to wait, where it says so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelTimeoutError(ModelError):
    """The model did not answer in time."""


class ModelResponseError(ModelError):
    """An answer that is empty, cut off, malformed or of the wrong shape."""


class EngineError(MilvusRagError):
    """An engine that a sync is spread over cannot be reached, or lost its workers."""


class StoreError(MilvusRagError):
    """Milvus refuses or fails."""


class StoreUnavailableError(StoreError):
    """A Milvus server that does not answer."""


class StoreAuthenticationError(StoreError):
    """A Milvus server that refuses the token."""


class DatabaseLockedError(StoreError):
    """Another process has the Milvus Lite database open."""


class IncompatibleDatabaseError(StoreError):
    """A file that Milvus Lite 3 cannot open."""


class CollectionNotFoundError(StoreError):
    """The collection does not exist."""


class CollectionReplacedError(StoreError):
    """A rebuild switched the index to another collection while a sync wrote to it."""


class CollectionSchemaError(StoreError):
    """A collection whose fields do not fit what is asked of it."""


class EmbeddingMismatchError(StoreError):
    """A collection that was built with another embedding."""


class FullTextUnavailableError(StoreError):
    """Full-text search is asked for where there is none."""
