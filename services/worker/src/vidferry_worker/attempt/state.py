"""The current state of an attempt: its last update. It is changed here and nowhere else."""

from dataclasses import replace
from typing import Any

from vidferry_common.contract.messages import Update
from vidferry_common.contract.stages import Stage, Status, Step
from vidferry_worker.attempt.reporter import Reporter
from vidferry_worker.attempt.trace import AttemptTrace, untraced
from vidferry_worker.metrics import StageClock


class AttemptState:
    """The current state of one attempt. Every change goes to the reporter, which sends it."""

    def __init__(
        self, first_update: Update, reporter: Reporter, clock: StageClock, trace: AttemptTrace | None = None
    ) -> None:
        self._current, self._reporter, self._clock = first_update, reporter, clock
        self.trace = trace or untraced()

    @property
    def current(self) -> Update:
        return self._current

    @property
    def stage_seconds(self) -> dict[Stage, float]:
        """How long the attempt has been in each stage."""
        return self._clock.read_seconds()

    def enter_step(self, step: Step, **facts: Any) -> None:
        """Changes the stage, which every watcher is told."""
        self._current = self._current.at_step(step, **facts)
        self._clock.enter_stage(self._current.stage)
        self.trace.enter_step(step)
        self._reporter.send_step(self._current)

    def show_progress(self, **facts: Any) -> None:
        """Changes the progress within the stage, which watchers are told unless something newer replaces it."""
        self._current = replace(self._current, **facts)
        self._reporter.send_progress(self._current)

    def add_facts(self, **facts: Any) -> None:
        """Adds facts that are sent with the next message."""
        self._current = replace(self._current, **facts)
        self._reporter.replace_progress(self._current)

    def finish(self, update: Update) -> None:
        """Sets the last update, which was sent in the step that ended the download."""
        self._current = update
        if update.status is Status.COMPLETED:
            self._clock.enter_stage(update.stage)
