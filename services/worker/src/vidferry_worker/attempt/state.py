"""Where an attempt is now: its last update, which everything that happens changes here and nowhere else."""

from dataclasses import replace
from typing import Any

from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Status, Step
from vidferry_worker.attempt.reporter import Reporter
from vidferry_worker.metrics import StageClock


class AttemptState:
    """The current state of one attempt. Each change of it is handed to the reporter, which sends it."""

    def __init__(self, begun: Update, reporter: Reporter, clock: StageClock) -> None:
        self._current, self._reporter, self._clock = begun, reporter, clock

    @property
    def current(self) -> Update:
        return self._current

    def enter_step(self, step: Step, **facts: Any) -> None:
        """A change of stage, which every watcher is told."""
        self._current = self._current.at_step(step, **facts)
        self._clock.enter(self._current.stage)
        self._reporter.send_step(self._current)

    def show_progress(self, **facts: Any) -> None:
        """Where the stage is now, which is told unless something newer comes."""
        self._current = replace(self._current, **facts)
        self._reporter.send_progress(self._current)

    def add_facts(self, **facts: Any) -> None:
        """Facts that go along with whatever is told next."""
        self._current = replace(self._current, **facts)
        self._reporter.replace_progress(self._current)

    def end(self, update: Update) -> None:
        """The last update, which was told with the end of the record."""
        self._current = update
        if update.status is Status.COMPLETED:
            self._clock.enter(update.stage)
