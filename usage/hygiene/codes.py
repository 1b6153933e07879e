"""The kinds of finding, their words, and how grave each is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """`order`: the gravest first."""

    slug: str
    title: str
    why: str
    icon: str


CODES: dict[str, Code] = {
    one.slug: one
    for one in (
        Code(
            "seen_by_leaver",
            "Seen by somebody who left",
            "Somebody who is no longer a member has this secret, and it works still.",
            "user",
        ),
        Code(
            "shared_secret",
            "The same secret in several applications",
            "What happens to it in one of them happens in all; it can’t be told who used it.",
            "copy",
        ),
        Code(
            "old_secret",
            "Secret older than the policy",
            "The longer a secret is in use, the more places it has been in.",
            "hourglass",
        ),
        Code(
            "no_limit",
            "No limit",
            "Code that runs in a loop, or a thief, uses up the whole account.",
            "alert-triangle",
        ),
        Code(
            "loose_limit",
            "Limit far above real use",
            "A limit that is never near holds nobody back.",
            "chart-bar",
        ),
        Code(
            "no_expiry", "No expiry", "It works for good, also when nobody remembers it.", "clock"
        ),
        Code("no_owner", "Nobody answerable", "Nobody knows whom to ask about it.", "users"),
        Code("never_used", "Never used", "It only waits to get out.", "circle-dashed"),
        Code("unused", "Not used for 30 days", "Its code is gone, or has moved on.", "moon"),
    )
}
