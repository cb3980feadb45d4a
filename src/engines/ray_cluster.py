"""A connection to Ray: to a cluster that is there, or to one of this machine for as long as it is needed."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from ..errors import EngineError
from ..extras import require

EXTRA = "ray"
# The variable by which Ray's own programs are told where the cluster is; a job that Ray runs has it.
_ADDRESS = "RAY_ADDRESS"
# Ray reports to its makers that it is used.
_USAGE = "RAY_USAGE_STATS_ENABLED"


def ray_module() -> Any:
    """The package.

    Raises:
        MissingExtraError: It is not installed.
    """
    return require("ray", EXTRA, "The engine ray")


@contextlib.contextmanager
def connected(address: str | None, cores: int | None) -> Iterator[Any]:
    """Have a connection, and give the package. One that is there already is used, and left alone.

    Args:
        address: Of a cluster, as `ray.init` takes it; by default what ``RAY_ADDRESS`` says, else a cluster of this
            machine is started, and stopped at the end.
        cores: Of a cluster that is started, how many it counts; by default the machine's.

    Raises:
        MissingExtraError: Ray is not installed.
        EngineError: There is no cluster at the address, or none can be started.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get(_ADDRESS)
    # What is given to Ray is never written to its logs by us, and what workers print stays in their own.
    options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address is None:
        options |= {"num_cpus": cores, "include_dashboard": False}
    # It prints a line or two, where a command may be printing JSON.
    with contextlib.redirect_stdout(sys.stderr), _silent_usage():
        if address:
            _connect(ray, address, options)
        else:
            _start(ray, options)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str, options: dict[str, Any]) -> None:
    try:
        ray.init(address, **options)
    except Exception as exc:
        raise EngineError(f"There is no Ray cluster at {address} ({type(exc).__name__}: {exc}).") from exc


def _start(ray: Any, options: dict[str, Any]) -> None:
    """Start one on this machine; once more where its parts did not find each other in time, as from a cold disk."""
    try:
        try:
            ray.init("local", **options)
        except Exception:  # noqa: BLE001 - Ray raises no class of its own for it
            ray.shutdown()
            ray.init("local", **options)
    except Exception as exc:
        ray.shutdown()
        raise EngineError(f"Ray cannot be started on this machine ({type(exc).__name__}: {exc}).") from exc


@contextlib.contextmanager
def _silent_usage() -> Iterator[None]:
    """A cluster that is started reports nothing, unless the user says so."""
    if _USAGE in os.environ:
        yield
        return
    os.environ[_USAGE] = "0"
    try:
        yield
    finally:
        del os.environ[_USAGE]
