"""A training whose fault is scripted; imported by workers."""

from pathlib import Path

from scripted import die_once

from raypipe.networks.trial import Task
from raypipe.store import objects


class DyingTask(Task):
    """Its worker is killed at the end of the seventh epoch, between a checkpoint and what it tells of it."""

    def put_away(self, fit):
        super().put_away(fit)
        if fit.epoch == 7:
            die_once(Path(objects.root()) / f"died-{self.name}")
