"""What the address of a list asks for.

A value that is not on offer counts as not chosen, and the page says so: a list that quietly
shows something else than it was asked for misleads.
"""

from collections.abc import Collection
from datetime import date
from typing import TypeVar

from django.core.paginator import EmptyPage, Page, PageNotAnInteger, Paginator
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date

M = TypeVar("M", bound=Model)
SHOWN = 60  # characters of a value that is told back
DIGITS = 6  # of a status or a version


def none_such(words: str, value: str) -> str:
    shown = value if len(value) <= SHOWN else f"{value[:SHOWN]}…"
    return f"There is no {words} “{shown}” to choose here."


class Filters:
    """The filters of one address, and what is wrong with them."""

    def __init__(self, told: QueryDict) -> None:
        self.told = told
        self.complaints: dict[str, str] = {}  # name of the filter -> what is wrong

    def choice(self, name: str, offered: Collection[str], words: str = "") -> str:
        return self.among(name, self.told.get(name, ""), offered, words)

    def among(self, name: str, value: str, offered: Collection[str], words: str = "") -> str:
        if not value or value in offered:
            return value
        self.complaints[name] = none_such(words or name, value)
        return ""

    def number(self, name: str, words: str) -> int | None:
        text = self.told.get(name, "").strip()
        if len(text) <= DIGITS and text.isascii() and text.isdigit():
            return int(text)
        if text:
            self.complaints[name] = none_such(words, text)
        return None

    def day(self, name: str, words: str) -> date | None:
        text = self.told.get(name, "").strip()
        try:
            day = parse_date(text)
        except ValueError:  # as a date looks, but no calendar has it
            day = None
        if text and day is None:
            self.complaints[name] = f"{none_such(words, text)} A day is written 2026-01-31."
        return day

    def page(self, rows: QuerySet[M], size: int) -> Page[M]:
        """The page asked for, else the nearest."""
        number = self.told.get("page", "1")
        pages = Paginator(rows, size)
        try:
            return pages.page(number)
        except (PageNotAnInteger, EmptyPage):
            page = pages.get_page(number)
            here = f"This is page {page.number:,} of {pages.num_pages:,}."
            self.complaints["page"] = f"{none_such('page', number)} {here}"
            return page
