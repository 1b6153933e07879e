"""Forms about applications, people, providers and tokens."""

from typing import Any

from django import forms

from keys.forms.fields import ExpiryForm
from keys.models import Application
from keys.states import Role

ROLES = [
    (Role.DEVELOPER, "Developer: copies and creates app keys"),
    (Role.OWNER, "Owner: also provider keys, limits and members"),
    (Role.VIEWER, "Viewer: sees keys (masked) and usage"),
]
SCOPES = [
    ("read", "read: see applications, keys (masked), usage"),
    (
        "manage",
        "manage: create and copy app keys, add provider keys, disable, limits, policy, check",
    ),
    ("secrets", "secrets: reveal provider keys, rotate, revoke, members, delete an application"),
]


class ApplicationForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        label="Name",
        widget=forms.TextInput(attrs={"autofocus": True, "placeholder": "Shop"}),
    )
    slug = forms.SlugField(
        max_length=50,
        required=False,
        label="Short name",
        help_text="Part of page addresses and of the REST API. Empty: made from the name.",
    )


class PolicyForm(forms.Form):
    developers_copy_provider_keys = forms.BooleanField(
        required=False,
        label="Developers may copy the provider key itself",
        help_text=(
            "With a reason and a fresh sign-in. Calls made directly with this key are not counted."
        ),
    )
    show_app_keys_once = forms.BooleanField(
        required=False,
        label="Show app keys once, and keep no copy",
        help_text=(
            "A lost key is then replaced by rotating it, not copied again. "
            "The copies kept so far are forgotten."
        ),
    )


class MemberForm(forms.Form):
    email = forms.EmailField(label="E-mail address")
    role = forms.ChoiceField(choices=ROLES, label="Role", initial=Role.DEVELOPER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES, label="Role")


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail address")
    application = forms.ChoiceField(label="Application")
    role = forms.ChoiceField(choices=ROLES, label="Role", initial=Role.DEVELOPER)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        mine = Application.objects.order_by("name").values_list("slug", "name")
        self.fields["application"].choices = list(mine)  # type: ignore[attr-defined]


class BaseUrlForm(forms.Form):
    """Where a custom provider is."""

    base_url = forms.URLField(max_length=300, label="Base URL", assume_scheme="https")


class ProviderForm(forms.Form):
    """A custom provider."""

    name = forms.CharField(max_length=100, label="Name")
    slug = forms.SlugField(
        max_length=50,
        required=False,
        label="Short name",
        help_text="In the gateway’s address: /gateway/<short name>/… Empty: made from the name.",
    )
    base_url = forms.URLField(
        max_length=300,
        label="Base URL",
        assume_scheme="https",
        help_text="Where its API begins, such as https://api.example.com",
    )
    credential_in = forms.ChoiceField(
        choices=[
            ("bearer", "Authorization: Bearer …"),
            ("header", "A header of its own"),
            ("query", "A parameter of the address"),
            ("body", "A member of the JSON body"),
        ],
        label="Where the credential goes",
    )
    credential_name = forms.CharField(
        max_length=100,
        required=False,
        label="Name of the header, parameter or member",
        help_text="Such as x-api-key, key or api_key.",
    )
    credential_prefix = forms.CharField(
        max_length=30,
        required=False,
        label="What stands before it",
        help_text="Such as Token, where the header reads Authorization: Token … Often nothing.",
    )
    probe_method = forms.ChoiceField(
        choices=[("", "It can’t be checked for free"), ("GET", "GET"), ("POST", "POST")],
        required=False,
        label="Free probe",
        help_text=(
            "A request that needs the key and costs nothing. "
            "Keydeck sends it to see whether the key works."
        ),
    )
    probe_path = forms.CharField(
        max_length=300, required=False, label="Path of the probe", help_text="Such as /v1/models"
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("probe_method"):
            data["probe_path"] = ""  # it can't be checked for free
        if data.get("credential_in") != "header":
            data["credential_prefix"] = ""  # its field is not shown there
        if data.get("credential_in") in ("header", "query", "body"):
            self._ask_for("credential_name", data, "What is it called?")
        if data.get("probe_method"):
            self._ask_for("probe_path", data, "Which path?")
        return data

    def _ask_for(self, name: str, data: dict[str, Any], question: str) -> None:
        if name not in self.errors and not data.get(name, "").strip():
            self.add_error(name, question)


class TokenForm(ExpiryForm):
    name = forms.CharField(max_length=100, label="Name", help_text="What uses it.")
    scopes = forms.MultipleChoiceField(
        choices=SCOPES,
        label="Scopes",
        initial=["read"],
        widget=forms.CheckboxSelectMultiple,
    )
    field_order = ("name", "scopes", "expires", "expires_on")
