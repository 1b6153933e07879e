"""How many bytes of request bodies a process holds at once, and who may hold how many of them.

Nobody may hold more than is still free: one alone gets half of the room, two get a third each.
So there is always some left for whoever comes next, and nobody has to be given a fixed share.
"""


class Room:
    """So many bytes. Used by one event loop."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self._holders: dict[str, int] = {}

    def take(self, holder: str, size: int, largest: int) -> bool:
        """Whether there was room for so many bytes more; if so, they are the holder's.

        A body of the `largest` size that an operator allows fits into an empty room in any case.
        """
        held = self._holders.get(holder, 0) + size
        if held > max(self.size, 2 * largest) - self.taken - size:
            return False
        self._holders[holder] = held
        self.taken += size
        return True

    def give_back(self, holder: str, size: int) -> None:
        left = self._holders[holder] - size
        if left:
            self._holders[holder] = left
        else:
            del self._holders[holder]
        self.taken -= size


# A body is worth two or three times its size in memory while it is read and written anew. The
# known ones' are kept until the answer comes, should another provider key have to be tried.
strangers = Room(256 * 1024 * 1024)  # by network
callers = Room(512 * 1024 * 1024)  # by app key
