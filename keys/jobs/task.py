"""The Celery task of Keydeck: what beat wakes goes through `keys.jobs.run`."""

from typing import Any

from celery import Task

from keys.jobs.running import register, run


class JobTask(Task):  # type: ignore[type-arg] # generic in its stubs alone
    """Every task of the app. One that stands in beat's table is a job with a row."""

    _registered = False

    def __call__(self, *args: Any, **options: Any) -> Any:
        schedule = self.app.conf.beat_schedule
        if self.request.called_directly or self.name not in schedule:
            return self.run(*args, **options)
        if not JobTask._registered:
            register({name: (at["schedule"], self._words(name)) for name, at in schedule.items()})
            JobTask._registered = True
        return run(
            self.name,
            lambda: self.run(*args, **options),
            side_by_side=self.name in self.app.conf.side_by_side,
        )

    def _words(self, name: str) -> str:
        """The first line of what the task says of itself."""
        task = self.app.tasks.get(name)
        lines = (getattr(task, "__doc__", "") or "").strip().splitlines()
        return lines[0].rstrip(".") if lines else ""
