"""Every call of the local API as a value: what to send, how to read the answer.

The two clients share these, and differ only in how they carry them. Nothing
here touches the network.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Generic, Iterable, Iterator, List, Mapping, Optional, Sequence, TypeVar
from urllib.parse import quote, urlencode

from .errors import ApplyError, InvalidArgumentError, from_problem
from .model import (
    ApplyResult, DeadItem, Declaration, Json, Key, LeaseItem, Page, QueueStats, Resource,
)

T = TypeVar("T")

Pieces = Optional[Iterable[bytes]]
"""A body that is made while it is sent; None = the call has its own."""

CHUNK_BYTES = 64 << 10
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Answer:
    """What came back, its body whole."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call. read makes its value from the status and the JSON answered."""

    method: str
    path: str  # percent-encoded
    read: Callable[[int, Json], T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Optional[bytes] = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: float = 0.0  # seconds that the sidecar may take on top
    once: bool = False  # not to be repeated when it may have been taken
    taken: Optional[Callable[[], T]] = None  # its value if it is 404 when repeated: it was taken

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def all_headers(self) -> Dict[str, str]:
        if self.body is None:
            return dict(self.headers)
        return {"Content-Type": self.content_type, **self.headers}

    def value(self, answer: Answer) -> T:
        """The value of an answer. Raises the SidecarError that it holds."""
        if answer.status < 300:
            return self.read(answer.status, _parse(answer))
        raise problem(answer)


def problem(answer: Answer) -> Exception:
    """The error in an answer that is none of success."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    after = answer.headers.get("retry-after", "")
    return from_problem(document, status=answer.status, retry_after=float(after) if after.isdigit() else 0.0)


def _parse(answer: Answer) -> Json:
    try:
        return json.loads(answer.body) if answer.body else {}
    except ValueError:
        raise from_problem(None, status=answer.status) from None


def duration(seconds: float) -> str:
    """A duration in Go's notation, exact to the microsecond."""
    return f"{round(seconds * 1_000_000)}us"


def path_of(*segments: str) -> str:
    """A path of segments, each percent-encoded as a whole."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


def _resource_path(data_type: str, cluster: str, id: str, *more: str) -> str:
    return path_of("v1", "resources", data_type, cluster, id, *more)


def _encode(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _given(**values: Any) -> Dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _to_resource(_: int, o: Json) -> Resource:
    return Resource.from_json(o)


def _nothing(_: int, o: Json) -> None:
    return None


def _same(_: int, o: Json) -> Json:
    return o


@dataclass(frozen=True)
class Wait:
    """Lets a write answer when a state is reached: published or observed."""

    state: Optional[str] = None
    timeout: float = 30.0  # seconds

    def query(self) -> Dict[str, str]:
        return {"wait": self.state, "timeout": duration(self.timeout)} if self.state else {}

    @property
    def seconds(self) -> float:
        return self.timeout if self.state else 0.0


def get(data_type: str, cluster: str, id: str, source: Optional[str]) -> Call[Resource]:
    return Call("GET", _resource_path(data_type, cluster, id), _to_resource, query=_given(source=source))


def filters(data_type: Optional[str], cluster: Optional[str], source: Optional[str]) -> Dict[str, str]:
    return _given(dataType=data_type, cluster=cluster, source=source)


def page(query: Mapping[str, str], state: Optional[str], limit: Optional[int], cursor: Optional[str]) -> Call[Page]:
    more = _given(state=state, limit=limit and str(limit), **{"continue": cursor or None})
    return Call("GET", "/v1/resources", lambda _, o: Page.from_json(o), query={**query, **more})


def spec_fields(spec: Json, content_type: Optional[str]) -> Dict[str, Json]:
    """A spec of bytes travels as base64 and needs its content type."""
    if not isinstance(spec, (bytes, bytearray)):
        return {"spec": spec}
    if not content_type:
        raise InvalidArgumentError("invalid_argument", "a spec of bytes needs content_type")
    return {"specBase64": base64.b64encode(spec).decode(), "contentType": content_type}


def _precondition(if_match: Optional[str], if_none_match: bool = False) -> Dict[str, str]:
    headers = {"If-Match": f'"{if_match}"'} if if_match is not None else {}
    return {**headers, "If-None-Match": "*"} if if_none_match else headers


def _write(method: str, path: str, query: Mapping[str, str], wait: Wait, guard: Mapping[str, str], **more: Any) -> Call[Resource]:
    """A write with a precondition is not repeated when it may have been taken:
    its own first try would make the second one fail."""
    return Call(method, path, _to_resource, query={**query, **wait.query()}, headers=guard,
                waits=wait.seconds, once=bool(guard), **more)


def put(
    data_type: str, cluster: str, id: str, spec: Json, content_type: Optional[str], metadata: Optional[Mapping[str, Json]],
    version: Optional[int], if_match: Optional[str], if_none_match: bool, wait: Wait,
) -> Call[Resource]:
    body = _encode({**spec_fields(spec, content_type), **_given(metadata=metadata, version=version)})
    guard = _precondition(if_match, if_none_match)
    return _write("PUT", _resource_path(data_type, cluster, id), {}, wait, guard, body=body)


def patch(
    data_type: str, cluster: str, id: str, merge: Mapping[str, Json], if_match: Optional[str], wait: Wait,
) -> Call[Resource]:
    path, guard = _resource_path(data_type, cluster, id), _precondition(if_match)
    return _write("PATCH", path, {}, wait, guard, body=_encode(merge), content_type=MERGE_PATCH)


def set_status(
    data_type: str, cluster: str, id: str, status: Mapping[str, Json], version: Optional[int], source: Optional[str],
    merge: bool, wait: Wait,
) -> Call[Resource]:
    query = _given(version=version and str(version), source=source)
    path, body = _resource_path(data_type, cluster, id, "status"), _encode(status)
    if merge:
        return _write("PATCH", path, query, wait, {}, body=body, content_type=MERGE_PATCH)
    return _write("PUT", path, query, wait, {}, body=body)


def delete(
    data_type: str, cluster: str, id: str, force: bool, source: Optional[str], if_match: Optional[str], wait: Wait,
) -> Call[Optional[Resource]]:
    """The resource while its deletion lasts, None when it is gone."""
    query = {**_given(source=source, force="true" if force else None), **wait.query()}
    guard = _precondition(if_match)
    return Call("DELETE", _resource_path(data_type, cluster, id), _while_deleting, query=query, headers=guard,
                waits=wait.seconds, once=bool(guard), taken=lambda: None)


def _while_deleting(status: int, o: Json) -> Optional[Resource]:
    return Resource.from_json(o) if status == 202 else None


def delete_cluster(cluster: str) -> Call[int]:
    return Call("DELETE", "/v1/resources", lambda _, o: int(o["deleted"]), query={"cluster": cluster, "force": "true"})


class ApplyCall(Call[ApplyResult]):
    """An apply, whose answer is a result also when items failed."""

    def value(self, answer: Answer) -> ApplyResult:
        if answer.status != 422:
            return super().value(answer)
        document = _parse(answer)
        if not isinstance(document, Mapping) or "failed" not in document:
            raise problem(answer)
        raise ApplyError(ApplyResult.from_json(document))


def apply(prune: bool, data_type: Optional[str], cluster: Optional[str]) -> ApplyCall:
    if prune and not (data_type and cluster):
        raise InvalidArgumentError("invalid_argument", "prune needs data_type and cluster")
    query = _given(prune="true" if prune else None, dataType=data_type, cluster=cluster)
    return ApplyCall("POST", "/v1/resources/apply", lambda _, o: ApplyResult.from_json(o), query=query,
                     headers={"Content-Type": "application/x-ndjson"}, waits=300.0, once=True)


def apply_lines(items: Iterable[Declaration], prune: bool) -> Iterator[bytes]:
    """The body of an apply, in pieces. A prune ends with the count, so that a
    body that was cut off deletes nothing."""
    count, piece = 0, bytearray()
    for count, item in enumerate(items, 1):
        piece += _encode(_declared(item)) + b"\n"
        if len(piece) >= CHUNK_BYTES:
            yield bytes(piece)
            piece.clear()
    if prune:
        piece += _encode({"end": True, "items": count}) + b"\n"
    if piece:
        yield bytes(piece)


class ApplyBody:
    """The body of an apply, which can be made once only: the caller's items may
    be gone then."""

    def __init__(self, items: Iterable[Declaration], prune: bool) -> None:
        self._pieces = apply_lines(items, prune)
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        return self._pieces


def _declared(item: Declaration) -> Dict[str, Json]:
    key = {"dataType": item.data_type, "cluster": item.cluster, "id": item.id}
    more = _given(metadata=item.metadata, version=item.version, ifMatch=item.if_match)
    return {**key, **spec_fields(item.spec, item.content_type), **more}


def _items(make: Callable[[Json], T]) -> Callable[[int, Json], List[T]]:
    return lambda _, o: [make(item) for item in o.get("items", ())]


def lease(queue: str, max: int, wait: float, lease_for: float, data_types: Sequence[str]) -> Call[List[LeaseItem]]:
    body: Dict[str, Json] = {"max": max, "wait": duration(wait), "leaseFor": duration(lease_for)}
    if data_types:
        body["dataTypes"] = list(data_types)
    return Call("POST", path_of("v1", "queues", queue, "lease"), _items(LeaseItem.from_json), body=_encode(body), waits=wait)


def answer(lease: str, result: Mapping[str, Json]) -> Call[None]:
    return Call("POST", path_of("v1", "leases", lease), _nothing, body=_encode(result), taken=lambda: None)


def extend(lease: str, lease_for: float, status: Optional[Mapping[str, Json]]) -> Call[None]:
    body = {"result": "extend", "leaseFor": duration(lease_for), **_given(status=status)}
    return Call("POST", path_of("v1", "leases", lease), _nothing, body=_encode(body))


def queues() -> Call[List[QueueStats]]:
    return Call("GET", "/v1/queues", _items(QueueStats.from_json))


def queue(name: str) -> Call[QueueStats]:
    return Call("GET", path_of("v1", "queues", name), lambda _, o: QueueStats.from_json(o))


def dead(name: str) -> Call[List[DeadItem]]:
    return Call("GET", path_of("v1", "queues", name, "dead"), _items(DeadItem.from_json))


def retry_dead(name: str, key: Optional[Key]) -> Call[int]:
    return Call("POST", path_of("v1", "queues", name, "dead", "retry"), lambda _, o: int(o["retried"]), body=_one_or_all(key))


def requeue(name: str, key: Optional[Key]) -> Call[int]:
    return Call("POST", path_of("v1", "queues", name, "requeue"), lambda _, o: int(o["requeued"]), body=_one_or_all(key))


def _one_or_all(key: Optional[Key]) -> bytes:
    return _encode({"key": key.to_json()} if key else {"all": True})


def resync(cluster: Optional[str], source: Optional[str]) -> Call[None]:
    return Call("POST", "/v1/resync", _nothing, body=_encode(_given(cluster=cluster, source=source)))


def synced(data_type: Optional[str], cluster: Optional[str]) -> Call[None]:
    return Call("POST", "/v1/synced", _nothing, body=_encode(_given(dataType=data_type, cluster=cluster)))


def status() -> Call[Dict[str, Json]]:
    return Call("GET", "/v1/status", _same)
