"""Trainings with scripted faults; imported by workers."""

from pathlib import Path

import numpy as np
from scripted import die_once

from raypipe.networks.fit import Fit
from raypipe.networks.trial import Task
from raypipe.store import objects


class DyingTask(Task):
    """A task whose worker is killed after the seventh epoch, between writing the checkpoint and reporting it."""

    def put_away(self, fit):
        super().put_away(fit)
        if fit.epoch == 7:
            die_once(Path(objects.root()) / f"died-{self.name}")


class PoisonedFit(Fit):
    """A fit whose weights become NaN after the fifth epoch: once, or every time if the file `always` exists."""

    def epoch_in_parts(self, train, validation):
        yield from super().epoch_in_parts(train, validation)
        mark = Path(objects.root()) / f"poisoned-{self._model.name}"
        if self.epoch == 5 and (not mark.exists() or mark.with_name("always").exists()):
            mark.touch()
            self._model.set_weights([np.full_like(one, np.nan) for one in self._model.get_weights()])


class PoisonedTask(Task):
    def begin(self):
        fit = super().begin()
        fit.__class__ = PoisonedFit
        return fit


class PoisonedDyingTask(PoisonedTask, DyingTask):
    """A task with both faults, in epochs 5 and 7."""
