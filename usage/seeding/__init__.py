"""Made-up usage of any size, believable in its shape: to look at, and to measure on.

    cast = seeding.make_cast(actor, keys=200, since=…, until=…, luck=luck)
    seeding.seed(cast, calls=10_000_000, luck=luck)

Every call belongs to a seeded application, whose slug begins with SLUG: so it can be told from
what really happened, and goes when those applications are erased.
"""

from usage.seeding.cast import SLUG, Cast, Part, make_cast, seeded
from usage.seeding.seed import real, seed

__all__ = ["SLUG", "Cast", "Part", "make_cast", "real", "seed", "seeded"]
