from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="CountryDocument",
            fields=[
                ("cqrs_revision", models.IntegerField(editable=False)),
                ("cqrs_updated", models.DateTimeField(editable=False)),
                ("alpha_2", models.CharField(max_length=2, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=100)),
                ("document", models.JSONField()),
            ],
        ),
    ]
