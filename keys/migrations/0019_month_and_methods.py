from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0018_credential_prefix'),
    ]

    operations = [
        migrations.AddField(
            model_name='appkey',
            name='methods',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='appkey',
            name='per_month',
            field=models.PositiveIntegerField(null=True),
        ),
    ]
