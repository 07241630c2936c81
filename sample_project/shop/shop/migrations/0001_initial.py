from django.db import migrations, models
from django.db.models.deletion import DO_NOTHING

REVISION = ("cqrs_revision", models.IntegerField(editable=False))
UPDATED = ("cqrs_updated", models.DateTimeField(editable=False))


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Country",
            fields=[
                REVISION,
                UPDATED,
                ("iso_code", models.CharField(max_length=2, primary_key=True, serialize=False)),
                ("alpha_3", models.CharField(max_length=3)),
                ("number", models.CharField(max_length=3)),
                ("title", models.CharField(max_length=100)),
                ("full_title", models.CharField(max_length=100)),
                ("flag", models.CharField(max_length=20)),
            ],
        ),
        migrations.CreateModel(
            name="Subdivision",
            fields=[
                REVISION,
                UPDATED,
                ("iso_code", models.CharField(max_length=10, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=60)),
                ("country", models.ForeignKey("shop.country", DO_NOTHING)),
                ("part_of", models.ForeignKey("shop.subdivision", DO_NOTHING, null=True)),
            ],
        ),
    ]
