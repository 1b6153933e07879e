from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0002_trimmed'),
    ]

    operations = [
        migrations.AddField(
            model_name='call',
            name='tried',
            field=models.TextField(blank=True, default=''),
        ),
    ]
