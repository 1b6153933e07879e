from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0016_pool_share'),
    ]

    operations = [
        migrations.AddField(
            model_name='provider',
            name='credential_prefix',
            field=models.CharField(blank=True, default='', max_length=30),
        ),
    ]
