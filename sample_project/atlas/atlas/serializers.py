"""What travels for a country: all its columns and, as one list, its subdivisions."""

from typing import Any

COLUMNS = ("alpha_2", "alpha_3", "numeric", "name", "official_name", "flag")


class CountrySerializer:
    """Anything that takes the instance and has ``data`` will do, a serializer of Django REST framework too."""

    def __init__(self, country: Any) -> None:
        self.country = country

    @property
    def data(self) -> dict[str, Any]:
        """The document: what a replica does not want, it drops."""
        places = sorted(self.country.subdivisions.all(), key=lambda place: place.code)
        rows = [{"code": place.code, "name": place.name, "type": place.type} for place in places]
        return {name: getattr(self.country, name) for name in COLUMNS} | {"subdivisions": rows}
