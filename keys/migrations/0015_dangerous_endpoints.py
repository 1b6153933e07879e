from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0014_examined'),
    ]

    operations = [
        migrations.AddField(
            model_name='appkey',
            name='dangerous_endpoints',
            field=models.JSONField(null=True),
        ),
    ]
