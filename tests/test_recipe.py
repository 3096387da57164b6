"""A recipe is read whole or refused with a suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from unreel.detector.errors import UsageError
from unreel.training.recipe import Recipe, load_recipe
from unreel.training.token_recipe import TokenRecipe


@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        ("small", "clip-vit-base-patch16-first6"),
        ("base", "clip-vit-base-patch16"),
        ("lite0", "tf_efficientnet_lite0"),
    ],
)
def test_the_shipped_recipes_keep_three_conditions_unseen(name: str, backbone: str) -> None:
    recipe = load_recipe(name)
    assert (recipe.name, recipe.backbone) == (name, backbone)
    assert not {"native23", "reshare", "screen"} & set(recipe.conditions)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("epoch = 3", "unknown key 'epoch'; did you mean 'epochs'"),
        ("epochs = 'three'", "epochs = 'three', expected int"),
        ("epochs = 3.5", "epochs = 3.5, expected int"),
        ("= 3", "Invalid"),
        ('kind = "tokens"\nlayer = [3]', "unknown key 'layer'; did you mean 'layers'"),
        ('kind = "tokens"\nepochs = 3', "unknown key 'epochs'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        load_recipe(str(path))


def test_whole_numbers_serve_as_fractions(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("head_rate = 1\nname = 'x'")
    assert load_recipe(str(path)) == Recipe(name="x", head_rate=1.0)
    path.write_text("kind = 'tokens'\nlayers = [3, 5]\nstrength = 1")
    assert load_recipe(str(path)) == TokenRecipe(layers=(3, 5), strength=1.0)


def test_unknown_names_list_the_shipped_ones() -> None:
    known = "base, cluster, gpu, laptop, lite0, pairs, small, zero_shot"
    with pytest.raises(UsageError, match=f"no recipe 'tiny'; .* one of: {known}"):
        load_recipe("tiny")
