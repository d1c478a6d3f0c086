"""What a nested model's loops go over is held at its default, where no formula was found."""

from __future__ import annotations

import random

import pytest

pytestmark = pytest.mark.oracle


def test_what_is_held_has_one_value() -> None:
    """First what a loop may go over is held, then all of the part, also what is seen later."""
    pytest.importorskip("torch")
    from hfkv.generate.plan_configs import near, put, space_of

    space = space_of("apertus1p5", "Apertus1p5ForConditionalGeneration")
    assert not space.hold("")
    assert space.hold("audio_config")
    ratios = "audio_config.upsampling_ratios"
    assert space.held[ratios] == [6, 5, 5, 4]
    assert "audio_config.hidden_size" not in space.held
    first = space.first()
    assert space.takes(first)
    assert space.takes(put(first, ratios, [6, 5, 5, 4]))
    assert not space.takes(put(first, ratios, [6, 5]))
    assert space.hold("audio_config")
    assert "audio_config.hidden_size" in space.held
    assert not space.hold("audio_config")
    space.add(type(space.objects["audio_config"]), "seen_later")
    assert space.held["audio_config.seen_later"] is None
    chance = random.Random(0)
    assert all(space.takes(near(space, chance, [first])) for _ in range(50))


def test_a_plan_says_what_was_held() -> None:
    from hfkv.generate.plan_configs import space_of
    from hfkv.modules.class_plan import plan_of

    name = "Apertus1p5ForConditionalGeneration"
    keys = plan_of("apertus1p5", name).keys
    held = space_of("apertus1p5", name).hold_as(keys).held
    assert held["audio_config.upsampling_ratios"] == [6, 5, 5, 4]
    assert not any(path.startswith("text_config.") for path in held)
