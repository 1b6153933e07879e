from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0012_got_out'),
    ]

    operations = [
        # An item without its seal is refused: a batch that was open is asked for again.
        migrations.AddField(
            model_name='batchitem',
            name='seal',
            field=models.CharField(default='', max_length=64),
            preserve_default=False,
        ),
    ]
