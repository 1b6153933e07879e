"""What a drainer knows of one spool folder: how far it is drained and which calls are open."""

from dataclasses import replace
from pathlib import Path

from usage.events import Outcome
from usage.ingest.store import Batch, Poison, Told, position_of
from usage.spool.reader import Line, Position, read, read_again, read_rest
from usage.spool.records import END, STILL, BrokenLine, Record, decode

BATCH = 2000  # lines


class Follower:
    """Turns a folder's next lines into batches. Its knowledge moves with what was stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.position, self.closed = position_of(folder.name)
        self.open = _open_at(folder, self.position)

    def next(self, limit: int = BATCH) -> Batch | None:
        """What follows the position; None when nothing does."""
        lines, end = read(self.folder, self.position, limit)
        if end == self.position:
            return None
        batch = Batch(self.folder.name, self.position, end)
        for line in lines:
            self._collect(line, batch)
        batch.left_open = len(self.open) + len(batch.opened) - len(batch.shut)
        return batch

    def last(self) -> Batch:
        """The end of a dead writer: the calls left open are aborted."""
        batch = Batch(self.folder.name, self.position, self.position, last=True)
        # A power cut may take the end of a line that was safe up to there.
        rest = Line(self.position, read_rest(self.folder, self.position))
        if _record(rest):
            self._collect(rest, batch)
        left = {**self.open, **batch.opened}
        batch.ended += [
            replace(start, event={**start.event, "outcome": Outcome.ABORTED.value})
            for number, start in left.items()
            if number not in batch.shut
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
        batch.highest = max(batch.highest, record.highest)
        if record.kind == END:
            batch.ended.append(Told(record.event, line.at))
            if batch.opened.pop(record.number, None) is None and record.number in self.open:
                batch.shut.add(record.number)
        elif record.number not in self.open:
            batch.opened[record.number] = Told(record.event, line.at)


def _open_at(folder: Path, position: Position) -> dict[int, Told]:
    """The calls open at a position.

    A segment's head tells the calls open when it was begun, so the present segment tells all: its
    head, also where the position lies inside it, and what follows up to the position.
    """
    found: dict[int, Told] = {}
    for line in read_again(folder, position.segment):
        record = _record(line)
        behind = line.at < position
        if not behind and (record is None or record.kind != STILL):
            break
        if record is None:
            continue
        if record.kind == END:
            found.pop(record.number, None)
        else:
            found[record.number] = Told(record.event, line.at)
    return found


def _record(line: Line) -> Record | None:
    try:
        return decode(line.data)
    except BrokenLine:
        return None
