"""A program that stands before the C++ core of Milvus Lite 2.5 and adds what it lacks of a server of that time.

That is a version, aliases, renaming, and the properties and functions in a description. All that writes, reads or
searches rows is passed on as it is, but for the collection's name: the core knows each collection by a number. What
servers refuse of names is refused as they do, by
https://github.com/milvus-io/milvus/blob/2.5/internal/rootcoord/meta_table.go

Arguments: the port to listen on, the version to name, the core's address, and the command that starts it there.
"""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 60
# More than any test has calls at once, each of which waits for the core in a thread.
_THREADS = 32
_NO_LIMITS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# As servers allow it: pymilvus asks every ten seconds whether an idle connection is alive.
_PINGS = [("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_ping_strikes", 0)]
_METHODS = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"].methods_by_name
# https://github.com/milvus-io/milvus/blob/2.5/pkg/util/merr/errors.go
_COLLECTION_NOT_FOUND, _ALIAS_NOT_FOUND, _NAME_CONFLICT, _ALIAS_EXISTS, _UNEXPECTED = 100, 1600, 1601, 1602, 65535


class _Refused(Exception):  # noqa: N818 - what is answered
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        # The old code is what clients of old look at: 4 is for a collection that is not there.
        old = 4 if code == _COLLECTION_NOT_FOUND else 1
        self.status = common_pb2.Status(code=code, error_code=old, reason=reason)


@dataclass
class _Collection:
    """What the core does not keep of a collection.

    Attributes:
        core_name: Its name in the core.
        properties: By key.
        functions: As the schema had them.
    """

    core_name: str
    properties: dict[str, str]
    functions: list[Any]


class _Names:
    """Collections and aliases by the names that clients know. The lock is for a look and a change together."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._collections: dict[str, _Collection] = {}
        self._aliases: dict[str, str] = {}
        self._made = 0

    def add(self, name: str, properties: dict[str, str], functions: list[Any]) -> None:
        self._collections[name] = _Collection(self.next_core_name, properties, functions)
        self._made += 1

    @property
    def next_core_name(self) -> str:
        return f"c{self._made}"

    def find(self, name: str) -> tuple[str, _Collection]:
        """A collection by its own name or an alias, with its own name."""
        own = self._aliases.get(name, name)
        if own not in self._collections:
            raise _Refused(_COLLECTION_NOT_FOUND, f"collection not found[database=default][collection={name}]")
        return own, self._collections[own]

    def named(self, core_name: str) -> str:
        return next((name for name, found in self._collections.items() if found.core_name == core_name), core_name)

    def aliases_of(self, own: str) -> list[str]:
        """Those of a collection, or of all for an empty name."""
        return sorted(alias for alias, name in self._aliases.items() if own in ("", name))

    def check_free(self, name: str) -> None:
        if name in self._aliases:
            raise _Refused(_NAME_CONFLICT, f"collection name [{name}] conflicts with an existing alias")
        if name in self._collections:
            raise _Refused(_UNEXPECTED, f"duplicated new collection name {name} with other collection name or alias")

    def rename(self, old: str, new: str) -> None:
        if old in self._aliases:
            raise _Refused(_UNEXPECTED, f"unsupported use an alias to rename collection, alias:{old}")
        self.check_free(new)
        _, found = self.find(old)
        self._collections[new] = found
        del self._collections[old]
        self._aliases = {alias: new if name == old else name for alias, name in self._aliases.items()}

    def remove(self, own: str) -> None:
        del self._collections[own]

    def create_alias(self, alias: str, name: str) -> None:
        own, _ = self.find(name)
        if alias in self._collections:
            raise _Refused(_NAME_CONFLICT, f"alias and collection name conflict[database=default][alias={alias}]")
        if self._aliases.get(alias, own) != own:
            raise _Refused(_ALIAS_EXISTS, f"{alias} is alias to another collection: {self._aliases[alias]}")
        self._aliases[alias] = own

    def alter_alias(self, alias: str, name: str) -> None:
        if alias in self._collections:
            raise _Refused(_NAME_CONFLICT, f"alias and collection name conflict[database=default][alias={alias}]")
        self.collection_of_alias(alias)
        self._aliases[alias] = self.find(name)[0]

    def drop_alias(self, alias: str) -> None:
        self._aliases.pop(alias, None)

    def collection_of_alias(self, alias: str) -> str:
        if alias not in self._aliases:
            raise _Refused(_ALIAS_NOT_FOUND, f"alias not found[database=default][alias={alias}]")
        return self._aliases[alias]


class _Core(Protocol):
    """Sends a request to the core, and gives its answer."""

    def __call__(self, request: Any) -> Any: ...


class Front(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Answers what is named in `_own`, and passes on all else.

    Args:
        core: Of the core.
        version: To name when asked.
    """

    def __init__(self, core: grpc.Channel, version: str) -> None:
        self._core = core
        self._version = version
        self._names = _Names()
        self._own: dict[str, Callable[[Any, _Core], Any]] = {
            "GetVersion": self._get_version,
            "CreateCollection": self._create_collection,
            "DescribeCollection": self._describe_collection,
            "ShowCollections": self._show_collections,
            "DropCollection": self._drop_collection,
            "RenameCollection": self._rename_collection,
            "AlterCollection": self._alter_collection,
            "CreateAlias": self._create_alias,
            "AlterAlias": self._alter_alias,
            "DropAlias": self._drop_alias,
            "DescribeAlias": self._describe_alias,
            "ListAliases": self._list_aliases,
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        path = handler_call_details.method
        name = path.rpartition("/")[2]
        if name not in _METHODS:
            return None
        asked, answered = (kind._concrete_class for kind in (_METHODS[name].input_type, _METHODS[name].output_type))
        pass_on = self._core.unary_unary(
            path, request_serializer=asked.SerializeToString, response_deserializer=answered.FromString
        )

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            sent = context.invocation_metadata()
            headers = [header for header in sent if not header[0].startswith(("user-agent", "grpc-"))]

            def core(request: Any) -> Any:
                return pass_on(request, timeout=_SECONDS, metadata=headers)

            try:
                return self._own.get(name, self._renamed)(request, core)
            except _Refused as refused:
                plain = answered is common_pb2.Status
                return refused.status if plain else answered(status=refused.status)
            except grpc.RpcError as exc:
                context.abort(exc.code(), exc.details())
                raise AssertionError("abort raises") from exc

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=asked.FromString, response_serializer=answered.SerializeToString
        )

    def _renamed(self, request: Any, core: _Core) -> Any:
        """Pass on, with the names that the core knows."""
        with self._names.lock:
            if getattr(request, "collection_name", ""):
                request.collection_name = self._names.find(request.collection_name)[1].core_name
            if named := list(getattr(request, "collection_names", [])):
                del request.collection_names[:]
                request.collection_names.extend(self._names.find(name)[1].core_name for name in named)
        return core(request)

    def _get_version(self, _request: Any, _core: _Core) -> Any:
        return milvus_pb2.GetVersionResponse(version=self._version)

    # --- collections

    def _create_collection(self, request: Any, core: _Core) -> Any:
        schema = schema_pb2.CollectionSchema.FromString(request.schema)
        with self._names.lock:
            name = request.collection_name
            self._names.check_free(name)
            request.collection_name = schema.name = self._names.next_core_name
            request.schema = schema.SerializeToString()
            answer = core(request)
            if answer.code == 0 and answer.error_code == 0:
                self._names.add(name, {pair.key: pair.value for pair in request.properties}, list(schema.functions))
        return answer

    def _describe_collection(self, request: Any, core: _Core) -> Any:
        with self._names.lock:
            own, found = self._names.find(request.collection_name)
            aliases = self._names.aliases_of(own)
            properties = [common_pb2.KeyValuePair(key=k, value=value) for k, value in found.properties.items()]
        request.collection_name = found.core_name
        answer = core(request)
        if answer.status.code == 0 and answer.status.error_code == 0:
            answer.collection_name = answer.schema.name = own
            answer.aliases.extend(aliases)
            answer.properties.extend(properties)
            if not answer.schema.functions:
                answer.schema.functions.extend(found.functions)
        return answer

    def _show_collections(self, request: Any, core: _Core) -> Any:
        answer = core(request)
        with self._names.lock:
            names = [self._names.named(core_name) for core_name in answer.collection_names]
        del answer.collection_names[:]
        answer.collection_names.extend(names)
        return answer

    def _drop_collection(self, request: Any, core: _Core) -> Any:
        with self._names.lock:
            own, found = self._names.find(request.collection_name)
            if aliases := self._names.aliases_of(own):
                reason = f"unable to drop the collection [{own}] because it has associated aliases {aliases}"
                raise _Refused(_UNEXPECTED, f"{reason}, please remove all aliases before dropping the collection")
            request.collection_name = found.core_name
            answer = core(request)
            if answer.code == 0 and answer.error_code == 0:
                self._names.remove(own)
        return answer

    def _rename_collection(self, request: Any, _core: _Core) -> Any:
        with self._names.lock:
            self._names.rename(request.oldName, request.newName)
        return common_pb2.Status()

    def _alter_collection(self, request: Any, _core: _Core) -> Any:
        with self._names.lock:
            _, found = self._names.find(request.collection_name)
            found.properties.update({pair.key: pair.value for pair in request.properties})
            for key in request.delete_keys:
                found.properties.pop(key, None)
        return common_pb2.Status()

    # --- aliases

    def _create_alias(self, request: Any, _core: _Core) -> Any:
        with self._names.lock:
            self._names.create_alias(request.alias, request.collection_name)
        return common_pb2.Status()

    def _alter_alias(self, request: Any, _core: _Core) -> Any:
        with self._names.lock:
            self._names.alter_alias(request.alias, request.collection_name)
        return common_pb2.Status()

    def _drop_alias(self, request: Any, _core: _Core) -> Any:
        with self._names.lock:
            self._names.drop_alias(request.alias)
        return common_pb2.Status()

    def _describe_alias(self, request: Any, _core: _Core) -> Any:
        with self._names.lock:
            own = self._names.collection_of_alias(request.alias)
        return milvus_pb2.DescribeAliasResponse(alias=request.alias, collection=own)

    def _list_aliases(self, request: Any, _core: _Core) -> Any:
        with self._names.lock:
            own = self._names.find(request.collection_name)[0] if request.collection_name else ""
            return milvus_pb2.ListAliasesResponse(collection_name=own, aliases=self._names.aliases_of(own))


def main(port: str, version: str, core: str, *command: str) -> None:
    """Start the core, and serve until it ends."""
    with subprocess.Popen(command) as process, grpc.insecure_channel(core, options=_NO_LIMITS) as channel:
        threads, options = ThreadPoolExecutor(_THREADS), [*_NO_LIMITS, *_PINGS]
        server = grpc.server(threads, handlers=[Front(channel, version)], options=options)
        server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        process.wait()
        server.stop(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
