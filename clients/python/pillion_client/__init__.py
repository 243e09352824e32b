"""Client of the Pillion sidecar's local API.

:class:`Client` and :class:`AsyncClient` make the calls; :class:`Agent` and
:class:`Source`, with :class:`AsyncAgent` and :class:`AsyncSource`, are
reconcile loops on the sidecar's work queue. Only the standard library is used.

Logs go to the logger "pillion_client" and hold keys and errors, never a spec,
a status or a token.
"""

from ._watch import Watch
from ._async_watch import AsyncWatch
from ._work import Failure, Result, Work
from .async_client import AsyncClient
from .async_worker import AsyncAgent, AsyncSource
from .client import Client
from .errors import (
    AmbiguousError, ApplyError, ConflictError, DeadlineExceededError, DeletingError, DiskFullError, ExpiredError,
    ForbiddenError, InvalidArgumentError, NotFoundError, PreconditionFailedError, SidecarError, TooLargeError,
    TooManyRequestsError, UnauthenticatedError, UnavailableError, UnreachableError, UntrustedError,
)
from .model import (
    ApplyResult, DeadItem, Declaration, Event, FieldError, ItemError, Key, LeaseItem, Page, QueueStats, Resource, Sync,
)
from .worker import Agent, Source

__version__ = "0.1.0"

__all__ = [
    "Agent", "AmbiguousError", "ApplyError", "ApplyResult", "AsyncAgent", "AsyncClient", "AsyncSource", "AsyncWatch",
    "Client", "ConflictError", "DeadItem", "DeadlineExceededError", "Declaration", "DeletingError", "DiskFullError",
    "Event", "ExpiredError", "Failure", "FieldError", "ForbiddenError", "InvalidArgumentError", "ItemError", "Key",
    "LeaseItem", "NotFoundError", "Page", "PreconditionFailedError", "QueueStats", "Resource", "Result",
    "SidecarError", "Source", "Sync", "TooLargeError", "TooManyRequestsError", "UnauthenticatedError",
    "UnavailableError", "UnreachableError", "UntrustedError", "Watch", "Work",
]
