"""What a drainer knows of one spool folder: how far it is drained and which calls are open."""

from pathlib import Path
from zlib import crc32

from usage.ingest.kinds import Told
from usage.ingest.store import Batch, Poison, position_of
from usage.spool.reader import Block, Position, read, read_again, read_rest
from usage.spool.records import BrokenLine, head

BATCH = 40_000  # lines
END, STILL = b"eo"


class Follower:
    """Turns a folder's next lines into batches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.position, self.closed = position_of(folder.name)
        self.open = _open_at(folder, self.position)

    def next(self, limit: int = BATCH) -> Batch | None:
        """What follows the position; None when nothing does."""
        blocks, end = read(self.folder, self.position, limit)
        if end == self.position:
            return None
        batch = Batch(self.folder.name, self.position, end)
        batch.full = sum(len(block.lines) for block in blocks) >= limit
        for block in blocks:
            self._collect(block, batch)
        batch.left_open = len(self.open) + len(batch.opened) - len(batch.shut)
        return batch

    def last(self) -> Batch:
        """The end of a dead writer: the calls left open are aborted."""
        batch = Batch(self.folder.name, self.position, self.position, last=True)
        # A power cut may take the end of a line that was safe up to there.
        rest = read_rest(self.folder, self.position)
        if _is_whole(rest):
            self._collect(Block(*self.position, [rest]), batch)
        left = {**self.open, **batch.opened}
        batch.ended += [
            (line, segment, offset, True)
            for number, (line, segment, offset, _) in left.items()
            if number not in batch.shut
        ]
        return batch

    def advance(self, batch: Batch) -> None:
        """Goes on behind a batch. Until that is stored, the follower is ahead of the database."""
        self.open.update(batch.opened)
        for number in batch.shut:
            del self.open[number]
        self.position, self.closed = batch.end, batch.last

    def _collect(self, block: Block, batch: Batch) -> None:
        """Of a start nothing is read but its number, unless it is left without an end."""
        segment, offset = block.segment, block.offset
        opened, known, ended = batch.opened, self.open, batch.ended
        for line in block.lines:
            try:
                is_end, number = _number(line)
            except BrokenLine as error:
                at = Position(segment, offset)
                batch.poison.append(Poison(at, str(error), line, call=False))
            else:
                if is_end:
                    ended.append((line, segment, offset, False))
                    if opened.pop(number, None) is None and number in known:
                        batch.shut.add(number)
                elif number not in known:
                    opened[number] = (line, segment, offset, False)
            offset += len(line) + 1
        # It only grows, so that the latest line tells the highest.
        latest = next((line for line in reversed(block.lines) if _is_whole(line)), None)
        if latest is not None:
            batch.highest = max(batch.highest, head(latest)[2])


def _number(line: bytes) -> tuple[bool, int]:
    """Whether a line is an end, and its call's number: `head` in a hurry. Raises BrokenLine."""
    body = line[9:]
    try:
        if int(line[:9], 16) == crc32(body):
            return body[2] == END, int(body[5 : body.index(b",", 5)])
    except (ValueError, IndexError):
        pass  # told by `head`
    kind, number, _ = head(line)
    return kind[0] == END, number


def _open_at(folder: Path, position: Position) -> dict[int, Told]:
    """The calls open at a position.

    A segment's head tells the calls open when it was begun, so the present segment tells all: its
    head, also where the position lies inside it, and what follows up to the position.
    """
    found: dict[int, Told] = {}
    for at, line in read_again(folder, position.segment):
        behind = at < position
        if not _is_whole(line):
            if not behind:
                break
            continue
        kind, number, _ = head(line)
        if not behind and kind[0] != STILL:
            break
        if kind[0] == END:
            found.pop(number, None)
        else:
            found[number] = (line, *at, False)
    return found


def _is_whole(line: bytes) -> bool:
    try:
        head(line)
    except BrokenLine:
        return False
    return True
