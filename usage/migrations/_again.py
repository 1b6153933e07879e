"""For migrations that move a lot: in parts, each a transaction of its own, and none of them twice.

One that was cut off is begun again from its first operation; what is there already is left alone.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import migrations, transaction


def tables(connection: Any) -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))


def create(editor: Any, model: Any) -> None:
    """The model's table with its indexes, or nothing of it."""
    if model._meta.db_table not in tables(editor.connection):
        with editor.connection.schema_editor() as inner:
            inner.create_model(model)


def delete(editor: Any, model: Any) -> None:
    if model._meta.db_table in tables(editor.connection):
        with editor.connection.schema_editor() as inner:
            inner.delete_model(model)


class CreateModel(migrations.CreateModel):
    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        create(editor, to_state.apps.get_model(app_label, self.name))


class AddField(migrations.AddField):
    def database_forwards(self, app_label: str, editor: Any, from_state: Any, to_state: Any) -> None:
        connection = editor.connection
        model = to_state.apps.get_model(app_label, self.model_name)
        with connection.cursor() as cursor:
            there = connection.introspection.get_table_description(cursor, model._meta.db_table)
        if model._meta.get_field(self.name).column not in {column.name for column in there}:
            with connection.schema_editor() as inner:
                super().database_forwards(app_label, inner, from_state, to_state)


def whole(connection: Any) -> Any:
    """A part: all of it or nothing."""
    return transaction.atomic(using=connection.alias)


def moment(connection: Any, value: Any) -> datetime | None:
    """A time as a cursor of our own gave it: SQLite tells text."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC) if value is not None else None


def told(connection: Any, at: datetime) -> Any:
    """A time as the engine compares it."""
    return connection.ops.adapt_datetimefield_value(at)
