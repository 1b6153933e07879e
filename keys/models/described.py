"""What both kinds of key share: the name of their kind, and what people write on a key."""

from typing import ClassVar

from django.conf import settings
from django.db import models


class Described(models.Model):
    """Words on a key; nothing in Keydeck acts on them."""

    kind: ClassVar[str]  # provider_key or app_key

    note = models.TextField(blank=True, default="")
    # " eu prod ": each between spaces, so that containment finds one on every database.
    tags = models.CharField(max_length=400, blank=True, default="")
    environment = models.CharField(max_length=4, default="live")  # live or test
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        abstract = True

    @property
    def target(self) -> str:
        """The key as the audit trail names it: `provider_key:<id>` or `app_key:<id>`."""
        return f"{self.kind}:{self.pk}"

    @property
    def tag_list(self) -> list[str]:
        return self.tags.split()
