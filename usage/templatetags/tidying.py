"""What the main menu counts."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from usage import hygiene

register = template.Library()


@register.simple_tag(takes_context=True)
def hygiene_count(context: template.Context) -> SafeString | str:
    """How many findings wait for this person, as a badge; nothing for none."""
    count = hygiene.count(context["request"].user)
    if not count:
        return ""
    return format_html(
        '<span class="badge kd-nav-count" title="{} to tidy up">{}</span>',
        f"{count:,}",
        f"{count:,}" if count < 1000 else "999+",
    )
