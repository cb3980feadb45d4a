"""Functions of ``pymilvus.model``: made safely, called safely.

That package installs what it lacks by running pip through a shell, in the middle of a program. Importing this module
ends that: a package that is missing is named in an error instead.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import SecretStr

from ...client_errors import ERROR_CLASSES, chain, read
from ...errors import (
    InputError,
    MilvusRagError,
    MissingExtraError,
    ModelError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from ...extras import borrowed, require
from ..providers.calls import RetryPolicy, repeated
from ..providers.keys import masked, shows
from ..travelling import MadeAtFirstUse

T = TypeVar("T")

_EXTRA: Final = "pymilvus"
# Where the functions are, by kind.
_MODULES: Final = (
    "pymilvus.model",
    "pymilvus.model.dense",
    "pymilvus.model.sparse",
    "pymilvus.model.hybrid",
    "pymilvus.model.reranker",
)
_ONCE: Final = RetryPolicy(max_retries=0)
_KEY_NAME: Final = re.compile(r"(?:key|token)$")
_REQUIREMENT_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


class PymilvusFunction(MadeAtFirstUse):
    """One function of ``pymilvus.model``, made at first use, called by one thread at a time.

    Args:
        function: Its name (``"DefaultEmbeddingFunction"``), its class or anything else that makes one when it is
            called without arguments, or the function itself.
        methods: What it must be able to do.
        timeout: Seconds that a call may take, ``None`` for any. A call that is given up goes on in the background.
        policy: When a call is made again.
    """

    _stays = frozenset({"_lock", "_made"})

    def __init__(
        self,
        function: Any,
        *,
        methods: tuple[str, ...],
        timeout: float | None = None,
        policy: RetryPolicy = _ONCE,
    ) -> None:
        self._given = function
        self._methods = methods
        self._timeout = timeout
        self._policy = policy
        self._lock = threading.Lock()
        self._made: Any = None

    def __getstate__(self) -> dict[str, Any]:
        # What it has learned of a corpus is in no model.
        learned = {"_made": self._made} if getattr(self._made, "idf", None) else {}
        return {**super().__getstate__(), **learned}

    @property
    def name(self) -> str:
        """Its class, e.g. ``"OnnxEmbeddingFunction"``."""
        if isinstance(self._given, str):
            return self._given
        given = getattr(self._given, "func", self._given)  # functools.partial
        return given.__name__ if isinstance(given, type) else type(self._made or given).__name__

    @property
    def model(self) -> str:
        """Its class and the model that it runs, the same on every machine.

        Raises:
            MilvusRagError: It cannot be made.
        """
        made = self.get()
        model = str(getattr(made, "model_name", "") or "")
        model = Path(model).name if model and Path(model).is_dir() else model
        return ":".join(part for part in (type(made).__name__, model) if part)

    def get(self) -> Any:
        """The function itself.

        Raises:
            MissingExtraError: A package that it needs is not installed.
            InputError: There is no such function, or it is of another kind.
            ModelError: It cannot be made.
        """
        if self._made is None:
            with self._lock:
                self._made = self._made or self._checked(self._make())
        return self._made

    def call(self, call: Callable[[Any], T]) -> T:
        """Use the function, again where that may help.

        Args:
            call: What to do with it.

        Raises:
            ModelTimeoutError: It did not answer in time.
            ModelError: It failed.
        """
        function = self.get()
        return repeated(self._policy, lambda: self._once(function, call))

    def _once(self, function: Any, call: Callable[[Any], T]) -> T:
        def run() -> T:
            # Fast tokenizers and sessions of HTTP clients are not made for several threads.
            with self._lock:
                return call(function)

        try:
            return run() if self._timeout is None else _within(self._timeout, run)
        except MilvusRagError:
            raise
        except _TookTooLongError as exc:
            raise ModelTimeoutError(f"{type(function).__name__} did not answer within {self._timeout:g} s.") from exc
        except Exception as exc:  # noqa: BLE001 - any model of any vendor is behind it
            error, cause = _failure(function, exc), None if _shows_key(function, exc) else exc
        # Outside the handler, or the exception would stay as the context, with the key.
        raise error from cause

    def _make(self) -> Any:
        make = find_function(self._given) if isinstance(self._given, str) else self._given
        if not isinstance(self._given, str) and not self._is_maker(make):
            return make
        if not callable(make):
            raise InputError(f"{make!r} is no function of pymilvus.model, nor a class or a name of one.")
        try:
            return make()
        except MilvusRagError:
            raise
        except Exception as exc:
            raise ModelError(f"{self.name} of pymilvus.model cannot be made: {exc}") from exc

    def _is_maker(self, given: Any) -> bool:
        if isinstance(getattr(given, "func", given), type):  # a class, or a functools.partial of one
            return True
        return not all(callable(getattr(given, name, None)) for name in self._methods)

    def _checked(self, made: Any) -> Any:
        missing = [method for method in self._methods if not callable(getattr(made, method, None))]
        if missing:
            raise InputError(
                f"{type(made).__name__} cannot be used here: it has no {' and no '.join(missing)}. A function of "
                f"pymilvus.model, its class or its name is needed."
            )
        return made


class _TookTooLongError(Exception):
    pass


def _failure(function: Any, exc: Exception) -> ModelError:
    failure = read(exc)
    why = failure.message if failure.status else str(exc)
    for key in _keys(function):
        why = masked(why, key)
    kind, message = ERROR_CLASSES[failure.kind], f"{type(function).__name__} of pymilvus.model fails: {why}"
    if issubclass(kind, RateLimitError | ProviderUnavailableError):
        return kind(message, retry_after=failure.retry_after)
    return kind(message)


def _keys(function: Any) -> Iterator[SecretStr]:
    """The keys of a function, which each kind keeps under a name of its own, or in the client that it calls with."""
    held = dict(getattr(function, "__dict__", {}))
    for client in tuple(held.values()):
        held |= getattr(client, "__dict__", {})
    yield from (SecretStr(value) for name, value in held.items() if _KEY_NAME.search(name) and isinstance(value, str))


def _shows_key(function: Any, exc: Exception) -> bool:
    texts = [f"{link} {link!r}" for link in chain(exc)]
    return any(shows(text, key) for key in _keys(function) for text in texts)


def find_function(name: str) -> Any:
    """Find a class of ``pymilvus.model`` by its name.

    Raises:
        MissingExtraError: The package is not installed.
        InputError: It has no such class.
    """
    require("pymilvus.model", _EXTRA, name)
    forbid_pip()
    modules = [import_module(module) for module in _MODULES]
    found = next((getattr(module, name) for module in modules if isinstance(getattr(module, name, None), type)), None)
    if found is None:
        known = sorted({entry for module in modules for entry in dir(module) if entry.endswith("Function")})
        raise InputError(f"pymilvus.model has no {name!r}. It has {', '.join(known)}.")
    return found


def forbid_pip() -> None:
    """Take from ``pymilvus.model`` the means to run pip. Does nothing where the package is not installed.

    Raises:
        IncompatiblePackageError: They are not where they were, so that pip might be run all the same.
    """
    with suppress(ModuleNotFoundError):
        for module in ("pymilvus.model.utils", "pymilvus.model.utils.dependency_control"):
            theirs: Any = import_module(module)
            borrowed(theirs, "prompt_install", "pymilvus.model")
            theirs.prompt_install = _refuse_to_install


def _refuse_to_install(package: str, warn: bool = False) -> None:
    """Stands in for their ``prompt_install``, which is called when a package seems to be missing."""
    name = _REQUIREMENT_NAME.match(package)
    try:
        # They look for some modules under the name of the distribution, and never find them.
        distribution(name[0] if name else package)
    except PackageNotFoundError as exc:
        raise MissingExtraError(
            f"This function of pymilvus.model needs the package {package}, which is not installed. Install it with: "
            f"pip install '{package}'"
        ) from exc


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Run a call in a thread that cannot keep the process alive."""
    results: list[T] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as exc:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(exc)

    thread = threading.Thread(target=run, name="pymilvus-model", daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise _TookTooLongError
    return results[0]


# A function may be made, and pip run, before it is given to one of the adapters.
forbid_pip()
