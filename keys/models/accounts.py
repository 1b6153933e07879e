"""People and their personal API tokens."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property

from keys.models.ids import new_id


class UserManager(BaseUserManager["User"]):
    """Makes users by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_superuser=True, is_staff=True, **fields)


class User(AbstractUser):
    """A person; the e-mail address is the login name. `is_superuser` is the site admin."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.email

    @cached_property
    def let_in(self) -> dict[str, str]:
        """What `keys.permissions` let this instance in with, by application. Not stored."""
        return {}


class SignedIn(models.Model):
    """A session of a person's, told by the keyed hash that names its row, never by the cookie."""

    user = models.ForeignKey(User, models.CASCADE, related_name="signed_in")
    session = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(auto_now_add=True)
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.user_id} from {self.address}"


class ApiToken(models.Model):
    """A personal token for REST. Only a digest is kept; scopes are read, manage, secrets."""

    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"

    @classmethod
    def working(cls) -> models.QuerySet["ApiToken"]:
        """Those that open something now."""
        in_time = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return cls.objects.filter(in_time, revoked_at=None, user__is_active=True)
