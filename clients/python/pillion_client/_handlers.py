"""Which function handles what, and with what."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar

from ._work import Step, WorkState, read_deletion, read_requeue, read_status, work_of
from .model import LeaseItem

F = TypeVar("F", bound=Callable[..., Any])


class Handlers:
    """The handlers of a worker, by data type."""

    needed: Tuple[str, ...] = ()

    def __init__(self) -> None:
        self._by_type: Dict[str, Dict[str, Callable[..., Any]]] = {}

    def _register(self, data_type: str, role: str) -> Callable[[F], F]:
        def register(handler: F) -> F:
            roles = self._by_type.setdefault(data_type, {})
            if role in roles:
                raise ValueError(f"{data_type} has a {role} handler already")
            roles[role] = handler
            return handler

        return register

    def _handler(self, data_type: str, role: str) -> Optional[Callable[..., Any]]:
        return self._by_type.get(data_type, {}).get(role)

    def _data_types(self) -> List[str]:
        return sorted(self._by_type)

    def _check(self) -> None:
        """Raises ValueError unless there are handlers, and all that are needed."""
        if not self._by_type:
            raise ValueError("there is no handler to run")
        for data_type, roles in self._by_type.items():
            for role in self.needed:
                if role not in roles:
                    raise ValueError(f"{data_type} has no {role} handler; one that does nothing will do")

    def _step(self, item: LeaseItem, state: WorkState) -> Optional[Step]:
        """What to do with an item; None if there is nothing to do."""
        raise NotImplementedError


class AgentHandlers(Handlers):
    """The decorators of an agent."""

    needed = ("handler", "deletion")

    def handler(self, data_type: str) -> Callable[[F], F]:
        """The function makes the world as the spec says. It returns the status,
        a Result, or None; what it raises makes the item come back later."""
        return self._register(data_type, "handler")

    def deletion(self, data_type: str) -> Callable[[F], F]:
        """The function cleans up; when it returns the deletion is confirmed,
        unless it returns a Result with requeue_after."""
        return self._register(data_type, "deletion")

    def _step(self, item: LeaseItem, state: WorkState) -> Optional[Step]:
        if item.object is None:
            return None
        role, read = ("deletion", read_deletion) if item.object.deleting else ("handler", read_status)
        handler = self._handler(item.key.data_type, role)
        return Step(handler, work_of(item, item.object, state), read) if handler else None


class SourceHandlers(Handlers):
    """The decorators of a source."""

    def status(self, data_type: str) -> Callable[[F], F]:
        """The function gets each resource whose status has changed."""
        return self._register(data_type, "status")

    def deleted(self, data_type: str) -> Callable[[F], F]:
        """The function gets the Key of each resource that is gone."""
        return self._register(data_type, "deleted")

    def _step(self, item: LeaseItem, state: WorkState) -> Optional[Step]:
        if item.object is None:
            gone = self._handler(item.key.data_type, "deleted")
            return Step(gone, item.key, read_requeue) if gone else None
        handler = self._handler(item.key.data_type, "status")
        if handler is None or item.object.status is None:
            return None
        return Step(handler, work_of(item, item.object, state), read_requeue)
