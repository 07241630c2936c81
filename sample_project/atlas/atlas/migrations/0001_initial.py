from django.db import migrations, models
from django.db.models.deletion import CASCADE

RAISED, CHANGED = "Raised by one in the database by every captured change.", "When the last captured change was made."
REVISION = ("cqrs_revision", models.IntegerField(default=0, editable=False, help_text=RAISED))
UPDATED = ("cqrs_updated", models.DateTimeField(auto_now=True, help_text=CHANGED))
PARENT = models.ForeignKey("atlas.subdivision", CASCADE, blank=True, null=True, related_name="parts")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Country",
            fields=[
                REVISION,
                UPDATED,
                ("alpha_2", models.CharField(max_length=2, primary_key=True, serialize=False)),
                ("alpha_3", models.CharField(max_length=3, unique=True)),
                ("numeric", models.CharField(max_length=3)),
                ("name", models.CharField(max_length=100)),
                ("official_name", models.CharField(blank=True, max_length=100)),
                ("flag", models.CharField(max_length=20)),
            ],
            options={"verbose_name_plural": "countries"},
        ),
        migrations.CreateModel(
            name="Subdivision",
            fields=[
                REVISION,
                UPDATED,
                ("code", models.CharField(max_length=10, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("type", models.CharField(max_length=60)),
                ("country", models.ForeignKey("atlas.country", CASCADE, related_name="subdivisions")),
                ("parent", PARENT),
            ],
            options={"abstract": False},
        ),
    ]
