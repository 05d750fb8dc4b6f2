"""The slots of a worker for deliveries: which share of them receivers may have, and who holds how many."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from vidferry_common.store import Delivery, DeliverySlots, SlotShare


class SlotCounter:
    """Counts the slots that are held. Receivers that are slow or fail get half of the slots at most; these and unknown
    ones get three quarters. take_deliveries.lua says how owners and receivers share them.
    """

    def __init__(self, slots: int) -> None:
        self._slots = {
            SlotShare.PROMPT: slots,
            SlotShare.UNKNOWN: max(1, slots * 3 // 4),
            SlotShare.SLOW: max(1, slots // 2),
        }
        self._held: dict[SlotShare, Counter[str]] = {share: Counter() for share in SlotShare}
        self._total: Counter[SlotShare] = Counter()
        self._freed: list[tuple[SlotShare, str, str]] = []

    def count_slots(self) -> DeliverySlots:
        """As they are now; with those that became free since the last call."""
        freed, self._freed = self._freed, []
        slow = self._total[SlotShare.SLOW]
        unproven = slow + self._total[SlotShare.UNKNOWN]
        held = {SlotShare.SLOW: slow, SlotShare.UNKNOWN: unproven, SlotShare.PROMPT: self._total.total()}
        return DeliverySlots({share: slots - held[share] for share, slots in self._slots.items()}, self._held, freed)

    @contextmanager
    def hold(self, delivery: Delivery) -> Iterator[None]:
        """Counts the slot of a delivery while the context lasts."""
        share = SlotShare.of(delivery.state)
        holders = (f"owner:{delivery.owner}", delivery.receiver)
        held = self._held[share]
        self._total[share] += 1
        held.update(holders)
        try:
            yield
        finally:
            self._total[share] -= 1
            self._freed.append((share, delivery.owner, delivery.receiver))
            for holder in holders:
                held[holder] -= 1
                if not held[holder]:
                    del held[holder]
