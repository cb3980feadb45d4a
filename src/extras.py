"""Packages of others: optional ones, and names that they do not promise to keep; one message for each kind."""

import json
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from types import ModuleType
from typing import Any

from .errors import IncompatiblePackageError, MissingExtraError

# As pip knows this package.
DISTRIBUTION = "milvus-rag"


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Args:
        module: Dotted name of the module, e.g. ``"langchain_openai"``.
        extra: Extra of this package that installs it, e.g. ``"openai"``.
        purpose: What needs it, as the start of the message, e.g. ``"The provider fireworks"``.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: The module, or a package that it needs, is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f"{purpose} needs the package {exc.name or module}, which is not installed. "
            f"Install it with: {install_line(extra)}"
        ) from exc


def install_line(*extras: str) -> str:
    """The command that installs extras of this package beside what is installed of it.

    Where it was installed from a folder, it is the folder's that is asked for, and the package index never: whoever
    has the name there may be somebody else.

    Args:
        *extras: One or more.
    """
    name = "." if _is_from_a_folder() else DISTRIBUTION
    return f"pip install '{name}[{','.join(extras)}]'"


def own_version() -> str:
    """The release of this package."""
    return _version(DISTRIBUTION)


def _is_from_a_folder() -> bool:
    """Whether this copy was installed from a checkout; says PEP 610."""
    try:
        origin = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return True
    return origin is not None and "dir_info" in json.loads(origin)


def borrowed(owner: object, name: str, package: str) -> Any:
    """Take a name of another package that it does not promise to keep, or say that it is gone.

    For names without which nothing works; all of them, and those with a fallback, are listed in
    ``docs/borrowed-names.md``.

    Args:
        owner: A module, a class or an object of the package.
        name: The name.
        package: The package as pip knows it, e.g. ``"sse-starlette"``.

    Returns:
        What has the name.

    Raises:
        IncompatiblePackageError: Nothing has.
    """
    try:
        return getattr(owner, name)
    except AttributeError as exc:
        whose = owner if isinstance(owner, type | ModuleType) else type(owner)
        raise IncompatiblePackageError(
            f"{package} {_version(package)} has no {whose.__name__}.{name}, which milvus-rag needs. "
            f"Install an earlier {package}, or a later milvus-rag."
        ) from exc


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(unknown release)"
