"""Serializers of master models."""

from __future__ import annotations

from typing import Any


class RecipeSerializer:
    """A recipe with its steps; a recipe called "unserializable" raises."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    @property
    def data(self) -> dict[str, Any]:
        """The document."""
        if self.recipe.title == "unserializable":
            raise RuntimeError("cannot be put into words")
        steps = [step.text for step in self.recipe.steps.all()]
        return {"id": self.recipe.pk, "title": self.recipe.title, "steps": steps}
