from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0017_pool_concurrency'),
    ]

    operations = [
        migrations.AddField(
            model_name='provider',
            name='credential_prefix',
            field=models.CharField(blank=True, default='', max_length=30),
        ),
    ]
