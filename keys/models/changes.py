"""The change counter that tells every process to look again (DESIGN decision 11)."""

from django.db import models


class ChangeCounter(models.Model):
    """One row; bumped in the transaction of any change to keys, limits, members or providers."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)
