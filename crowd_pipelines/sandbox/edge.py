"""What an edge cache in front of a provider remembers, for answers that are out of date."""

import threading
from collections import OrderedDict

REMEMBERED_BYTES = 32 * 2**20


class EdgeCache:
    """The last two different bodies of each address, within a budget of bytes; the longest unused go first."""

    def __init__(self, budget: int = REMEMBERED_BYTES) -> None:
        self._budget = budget
        self._held = 0
        self._bodies: OrderedDict[str, list[bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, target: str, body: bytes) -> None:
        with self._lock:
            versions = self._bodies.setdefault(target, [])
            self._bodies.move_to_end(target)
            if not versions or versions[-1] != body:
                versions.append(body)
                self._held += len(body) - (len(versions.pop(0)) if len(versions) > 2 else 0)
            self._shrink()

    def older(self, target: str, body: bytes) -> bytes | None:
        """The newest remembered body that differs from the present one."""
        with self._lock:
            versions = self._bodies.get(target, [])
            return next((version for version in reversed(versions) if version != body), None)

    def _shrink(self) -> None:
        while self._held > self._budget:
            _, versions = self._bodies.popitem(last=False)
            self._held -= sum(map(len, versions))
