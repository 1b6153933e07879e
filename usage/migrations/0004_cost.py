from django.db import migrations, models

TABLES = ("call", "minuterollup", "hourrollup", "dayrollup")


def _added(model: str) -> migrations.SeparateDatabaseAndState:
    # Django would write SQLite's table anew for a column that isn't null. With a constant for a
    # default both engines only note it, however many rows there are.
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f'ALTER TABLE "usage_{model}" ADD COLUMN "cost_nanos" bigint DEFAULT 0 NOT NULL',
                f'ALTER TABLE "usage_{model}" DROP COLUMN "cost_nanos"',
            )
        ],
        state_operations=[
            migrations.AddField(
                model_name=model,
                name="cost_nanos",
                field=models.BigIntegerField(db_default=0, default=0),
            )
        ],
    )


class Migration(migrations.Migration):

    dependencies = [
        ("usage", "0003_tried"),
    ]

    operations = [_added(model) for model in TABLES]
