"""What a drainer knows of one spool folder: how far it is drained and which calls are open."""

from dataclasses import replace
from pathlib import Path

from usage.events import Outcome
from usage.ingest.store import Batch, Poison, Told, position_of
from usage.spool.reader import Line, read, read_behind
from usage.spool.records import START, BrokenLine, decode

BATCH = 2000  # lines


class Follower:
    """Turns a folder's next lines into batches. Its knowledge moves with what was stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.position, self.closed = position_of(folder.name)
        self.open: dict[int, Told] = {}
        # A segment begins with the calls open at that time, so the present one tells them all.
        behind = Batch(folder.name, self.position, self.position)
        for line in read_behind(folder, self.position):
            self._collect(line, behind)
        self.open = behind.opened

    def next(self, limit: int = BATCH) -> Batch | None:
        """What follows the position; None when nothing does."""
        lines, end = read(self.folder, self.position, limit)
        if end == self.position:
            return None
        batch = Batch(self.folder.name, self.position, end)
        for line in lines:
            self._collect(line, batch)
        return batch

    def last(self) -> Batch:
        """The end of a dead writer: the calls left open are aborted."""
        batch = Batch(self.folder.name, self.position, self.position, last=True)
        batch.ended = [
            replace(start, event={**start.event, "outcome": Outcome.ABORTED.value})
            for start in self.open.values()
        ]
        return batch

    def advance(self, batch: Batch) -> None:
        """Takes over a batch that is stored."""
        self.open.update(batch.opened)
        for number in batch.shut:
            del self.open[number]
        self.position, self.closed = batch.end, batch.last

    def _collect(self, line: Line, batch: Batch) -> None:
        try:
            record = decode(line.data)
        except BrokenLine as error:
            batch.poison.append(Poison(line.at, str(error), line.data, call=False))
            return
        number = record.number
        batch.highest = max(batch.highest, record.highest)
        known = number in batch.opened or (number in self.open and number not in batch.shut)
        batch.seen += not known
        if record.kind == START:
            if not known:
                batch.opened[number] = Told(record.event, line.at)
            return
        batch.ended.append(Told(record.event, line.at))
        if batch.opened.pop(number, None) is None and known:
            batch.shut.add(number)
