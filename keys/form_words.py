"""What a form says of a value it can't take: what to do, in this product's words.

Django's own (“Enter a valid slug”) name its classes. These take their place for every form,
those of the sign-in included, since each field asks its class for its words.
"""

from django import forms

WORDS: dict[type[forms.Field], dict[str, str]] = {
    forms.Field: {"required": "Fill this in."},
    forms.CharField: {
        "max_length": "At most %(limit_value)d characters fit; these are %(show_value)d.",
        "min_length": "At least %(limit_value)d characters are needed; these are %(show_value)d.",
        "null_characters_not_allowed": "A NUL character can’t be part of this. Type it anew.",
    },
    forms.SlugField: {"invalid": "Use only letters, digits, - and _, such as my-shop."},
    forms.EmailField: {"invalid": "Write an e-mail address, such as ada@example.com."},
    forms.URLField: {"invalid": "Write a whole address, such as https://api.example.com."},
    forms.UUIDField: {"invalid": "Copy the whole id: 36 characters, with its hyphens."},
    forms.IntegerField: {
        "invalid": "Write a whole number, such as 60.",
        "min_value": "The least is %(limit_value)s.",
        "max_value": "The most is %(limit_value)s.",
    },
    forms.FloatField: {"invalid": "Write a number, such as 1.5."},
    forms.DecimalField: {
        "invalid": "Write a number, such as 0.0047.",
        "max_digits": "At most %(max)s digits fit.",
        "max_decimal_places": "At most %(max)s digits fit after the point.",
        "max_whole_digits": "At most %(max)s digits fit before the point.",
    },
    forms.DateField: {"invalid": "Write a day as 2026-01-31."},
    forms.BooleanField: {"required": "Tick this to go on."},
    forms.ChoiceField: {
        "required": "Choose one.",
        "invalid_choice": "There is no “%(value)s” to choose here.",
    },
    forms.MultipleChoiceField: {
        "required": "Choose at least one.",
        "invalid_choice": "There is no “%(value)s” to choose here.",
        "invalid_list": "Choose from what is listed.",
    },
    forms.JSONField: {"invalid": "The browser sent nothing that can be read. Try once more."},
    forms.FileField: {
        "invalid": "Choose a file.",
        "missing": "Choose a file.",
        "empty": "This file is empty. Choose another.",
        "max_length": "At most %(max)d characters fit in a file’s name; this has %(length)d.",
    },
}


def put() -> None:
    """Before any form is declared: a field takes its words when it is made."""
    for field, words in WORDS.items():
        own = vars(field).get("default_error_messages", {})
        field.default_error_messages = {**own, **words}
