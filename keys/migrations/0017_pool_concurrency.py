from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0016_pool_share'),
    ]

    operations = [
        migrations.AddField(
            model_name='providerkey',
            name='concurrency',
            field=models.PositiveSmallIntegerField(null=True),
        ),
    ]
