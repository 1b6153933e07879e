from typing import Any

from django.db import migrations

# The head stays, and goes forwards only; and SQLite's REPLACE, which deletes past triggers on
# deletion, finds no event to write over.
SQLITE = (
    """CREATE TRIGGER keys_auditevent_insert BEFORE INSERT ON keys_auditevent
    WHEN EXISTS (SELECT 1 FROM keys_auditevent WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END""",
    """CREATE TRIGGER keys_audithead_insert BEFORE INSERT ON keys_audithead
    WHEN EXISTS (SELECT 1 FROM keys_audithead WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit head is append-only'); END""",
    """CREATE TRIGGER keys_audithead_update BEFORE UPDATE ON keys_audithead
    WHEN NEW.id <> OLD.id OR NEW.events < OLD.events OR NEW.archived_events < OLD.archived_events
    OR NEW.archived_to < OLD.archived_to
    BEGIN SELECT RAISE(ABORT, 'the audit head is append-only'); END""",
    """CREATE TRIGGER keys_audithead_delete BEFORE DELETE ON keys_audithead
    BEGIN SELECT RAISE(ABORT, 'the audit head is append-only'); END""",
)
SQLITE_BACK = (
    "DROP TRIGGER keys_auditevent_insert",
    "DROP TRIGGER keys_audithead_insert",
    "DROP TRIGGER keys_audithead_update",
    "DROP TRIGGER keys_audithead_delete",
)
POSTGRES = (
    """CREATE FUNCTION keys_audithead_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'UPDATE' THEN
        IF NEW.id = OLD.id AND NEW.events >= OLD.events
        AND NEW.archived_events >= OLD.archived_events AND NEW.archived_to >= OLD.archived_to THEN
          RETURN NEW;
        END IF;
      END IF;
      RAISE EXCEPTION 'the audit head is append-only';
    END $$""",
    """CREATE TRIGGER keys_audithead_row BEFORE UPDATE OR DELETE ON keys_audithead
    FOR EACH ROW EXECUTE FUNCTION keys_audithead_append_only()""",
    """CREATE TRIGGER keys_audithead_all BEFORE TRUNCATE ON keys_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION keys_audithead_append_only()""",
)
POSTGRES_BACK = (
    "DROP TRIGGER keys_audithead_row ON keys_audithead",
    "DROP TRIGGER keys_audithead_all ON keys_audithead",
    "DROP FUNCTION keys_audithead_append_only()",
)


def install(apps: Any, schema_editor: Any) -> None:
    postgres = schema_editor.connection.vendor == "postgresql"
    for statement in POSTGRES if postgres else SQLITE:
        schema_editor.execute(statement)


def remove(apps: Any, schema_editor: Any) -> None:
    postgres = schema_editor.connection.vendor == "postgresql"
    for statement in POSTGRES_BACK if postgres else SQLITE_BACK:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("keys", "0007_watch")]

    operations = [migrations.RunPython(install, remove)]
