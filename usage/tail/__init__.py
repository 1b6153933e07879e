"""Calls as they are stored, to any number of followers: one reader of the database for all.

A follower goes on from a place in the order in which calls were stored (`usage.ingest.arrivals`):
none is passed over and none comes twice, however long a call took and however often the
connection breaks.
"""

from usage.tail.following import Ended, Tail, Told, event, followed
from usage.tail.reading import Place, newest

__all__ = ["Ended", "Place", "Tail", "Told", "event", "followed", "newest"]
