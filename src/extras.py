"""Optional dependencies: one extra a vendor, one message for all of them."""

from importlib import import_module
from types import ModuleType

from .errors import MissingExtraError


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
            f"Install it with: pip install 'milvus-rag[{extra}]'"
        ) from exc
