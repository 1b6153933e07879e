"""What somebody who left still has of an application's secrets."""

from django.db import models

from keys.models.applications import Application


class ToRotate(models.Model):
    """A key of which somebody who left has seen versions; to do while one of them works."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="to_rotate")
    target = models.CharField(max_length=40)  # as the audit names it
    numbers = models.JSONField()  # of the versions
    who = models.EmailField(max_length=254)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["application", "target", "who"], name="a_leaver_once_for_a_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target} seen by {self.who}"
