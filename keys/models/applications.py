"""Applications, the unit of isolation, and who belongs to them."""

from django.conf import settings
from django.db import models

from keys.models.ids import new_id
from keys.states import Role


class Application(models.Model):
    """Owner of keys, members, policies and one data key."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    # Policy: app keys are shown once instead of kept sealed for copying again.
    show_app_keys_once = models.BooleanField(default=False)
    # Policy: developers may copy the provider key itself (with reason and step-up).
    developers_copy_provider_keys = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    """One person's role in one application."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=[(r.value, r.value) for r in Role])

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "user"], name="one_role_each"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} of {self.application_id}"
