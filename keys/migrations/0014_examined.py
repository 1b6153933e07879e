from django.db import migrations, models


def keep_one(apps, schema_editor):
    """Of each key and person one row: the oldest, with the versions of all."""
    rows = apps.get_model("keys", "ToRotate").objects.order_by("id")
    kept = {}
    for row in rows:
        first = kept.setdefault((row.application_id, row.target, row.who), row)
        if first is not row:
            first.numbers = sorted({*first.numbers, *row.numbers})
            first.save(update_fields=["numbers"])
            row.delete()


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0013_batch_seal'),
    ]

    operations = [
        migrations.AddField(
            model_name='vaultexamination',
            name='asked',
            field=models.BooleanField(default=False),
        ),
        migrations.RunPython(keep_one, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='torotate',
            constraint=models.UniqueConstraint(
                fields=('application', 'target', 'who'), name='a_leaver_once_for_a_key'
            ),
        ),
    ]
