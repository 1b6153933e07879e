from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0015_dangerous_endpoints'),
    ]

    operations = [
        migrations.AddField(
            model_name='providerkey',
            name='priority',
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name='providerkey',
            name='weight',
            field=models.PositiveSmallIntegerField(default=1),
        ),
    ]
