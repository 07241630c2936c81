from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("celery_cqrs", "0003_operate")]

    operations = [
        migrations.AlterModelOptions(
            name="letter", options={"permissions": (("replay_letter", "Can replay letters"),)}
        ),
        migrations.AlterField(
            model_name="letter",
            name="state",
            field=models.CharField(
                choices=[("retrying", "retrying"), ("dead", "dead"), ("asked", "asked")], max_length=8
            ),
        ),
    ]
