"""The nouns of the local API (docs/api.md, A resource, Watching, Queues).

All are immutable and made from the JSON of an answer; fields that this version
does not know are ignored. Times are aware datetimes, durations seconds.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, Mapping, Optional, Tuple

Json = Any
"""A JSON value as the json module has it."""

_FRACTION = re.compile(r"\.(\d+)")


def parse_time(text: Optional[str]) -> Optional[datetime]:
    """An RFC 3339 time; what is finer than a microsecond is cut off."""
    if not text:
        return None
    text = _FRACTION.sub(lambda m: "." + m.group(1)[:6].ljust(6, "0"), text, count=1)
    return datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))


@dataclass(frozen=True)
class Key:
    """The identity of a resource."""

    data_type: str
    source: str
    cluster: str
    id: str

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> Key:
        return cls(o["dataType"], o.get("source", ""), o["cluster"], o["id"])

    def to_json(self) -> Dict[str, Json]:
        key = {"dataType": self.data_type, "cluster": self.cluster, "id": self.id}
        return {**key, "source": self.source} if self.source else key

    def __str__(self) -> str:
        return f"{self.data_type}/{self.cluster}/{self.id}"


@dataclass(frozen=True)
class Sync:
    """How far a resource has travelled: pending, published, observed, deleting."""

    state: str = ""
    published_version: int = 0
    published_at: Optional[datetime] = None
    observed_at: Optional[datetime] = None
    error: str = ""

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> Sync:
        return cls(
            state=o.get("state", ""),
            published_version=o.get("publishedVersion", 0),
            published_at=parse_time(o.get("publishedAt")),
            observed_at=parse_time(o.get("observedAt")),
            error=o.get("error", ""),
        )


@dataclass(frozen=True)
class Resource:
    """A resource as it was when the sidecar answered.

    revision is opaque: hand it back, do not compute with it. A spec that is not
    JSON is in spec_bytes, with its content_type, and spec is None.
    """

    key: Key
    version: int
    revision: str
    spec: Json = None
    spec_bytes: Optional[bytes] = None
    content_type: str = ""
    metadata: Optional[Mapping[str, Json]] = None
    deletion_timestamp: Optional[datetime] = None
    status: Optional[Mapping[str, Json]] = None
    status_version: int = 0
    sequence_id: str = ""
    status_hash: str = ""
    sync: Sync = Sync()

    @property
    def id(self) -> str:
        return self.key.id

    @property
    def cluster(self) -> str:
        return self.key.cluster

    @property
    def deleting(self) -> bool:
        """Whether its deletion was asked for."""
        return self.deletion_timestamp is not None

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> Resource:
        raw = o.get("specBase64")
        return cls(
            key=Key.from_json(o),
            version=o["version"],
            revision=o["revision"],
            spec=o.get("spec"),
            spec_bytes=base64.b64decode(raw) if raw is not None else None,
            content_type=o.get("contentType", ""),
            metadata=o.get("metadata"),
            deletion_timestamp=parse_time(o.get("deletionTimestamp")),
            status=o.get("status"),
            status_version=o.get("statusVersion", 0),
            sequence_id=o.get("sequenceID", ""),
            status_hash=o.get("statusHash", ""),
            sync=Sync.from_json(o.get("sync") or {}),
        )


@dataclass(frozen=True)
class Page:
    """A part of a list. cursor asks for the next one, "" after the last."""

    items: Tuple[Resource, ...]
    cursor: str
    revision: str

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> Page:
        return cls(tuple(map(Resource.from_json, o["items"])), o["continue"], o["revision"])


@dataclass(frozen=True)
class Event:
    """One line of a watch.

    type is ADDED, MODIFIED or DELETED, with a resource; SYNCED or BOOKMARK,
    with a revision; or RESTARTED, which the client makes up: what follows up to
    SYNCED is all that there is, so that what is not in it is gone.
    """

    type: str
    resource: Optional[Resource] = None
    revision: str = ""

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> Event:
        resource = o.get("resource")
        return cls(o["type"], Resource.from_json(resource) if resource else None, o.get("revision", ""))


@dataclass(frozen=True)
class Declaration:
    """One item of an apply: a resource as put takes it."""

    data_type: str
    cluster: str
    id: str
    spec: Json
    metadata: Optional[Mapping[str, Json]] = None
    version: Optional[int] = None
    if_match: Optional[str] = None
    content_type: Optional[str] = None


@dataclass(frozen=True)
class FieldError:
    """A field at fault; pointer is a JSON pointer (RFC 6901)."""

    pointer: str
    detail: str

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> FieldError:
        return cls(o.get("pointer", ""), o.get("detail", ""))


@dataclass(frozen=True)
class ItemError:
    """An item of an apply that failed; line counts from 1."""

    line: int
    key: Json
    code: str
    detail: str

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> ItemError:
        return cls(o.get("line", 0), o.get("key"), o.get("code", ""), o.get("detail", ""))


@dataclass(frozen=True)
class ApplyResult:
    """What an apply did; errors are the first of the items that failed."""

    applied: int
    unchanged: int
    deleted: int
    failed: int
    errors: Tuple[ItemError, ...] = ()

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> ApplyResult:
        errors = tuple(map(ItemError.from_json, o.get("errors") or ()))
        return cls(o.get("applied", 0), o.get("unchanged", 0), o.get("deleted", 0), o.get("failed", 0), errors)


@dataclass(frozen=True)
class LeaseItem:
    """A key with work to do. object is None if the resource is gone; reasons
    are a hint, attempt counts failures from 1."""

    lease: str
    key: Key
    reasons: Tuple[str, ...]
    attempt: int
    object: Optional[Resource]

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> LeaseItem:
        found = o.get("object")
        resource = Resource.from_json(found) if found else None
        return cls(o["lease"], Key.from_json(o["key"]), tuple(o.get("reasons") or ()), o.get("attempt", 1), resource)


@dataclass(frozen=True)
class QueueStats:
    """The state of a queue; oldest_seconds is the age of the oldest ready key."""

    name: str
    depth: int
    in_flight: int
    retrying: int
    dead: int
    oldest_seconds: float

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> QueueStats:
        return cls(o["name"], o["depth"], o["inFlight"], o["retrying"], o["dead"], o["oldestSeconds"])


@dataclass(frozen=True)
class DeadItem:
    """A key that was given up."""

    key: Key
    reasons: Tuple[str, ...]
    attempts: int
    error: str
    since: Optional[datetime]

    @classmethod
    def from_json(cls, o: Mapping[str, Json]) -> DeadItem:
        reasons = tuple(o.get("reasons") or ())
        return cls(Key.from_json(o["key"]), reasons, o["attempts"], o.get("error", ""), parse_time(o.get("since")))
