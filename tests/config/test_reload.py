"""What of a new configuration is taken over while edged runs, and what must wait."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edged.config.effective import effective
from edged.config.load import load
from edged.config.reload import reloadable
from edged.config.schema import Config
from edged.config.toml import parse
from edged.redact import is_secret, public_name, redacted

RULES = 'rule=[{name="cat", labels=["cat"]}, {name="dog", labels=["dog"]}]'
LAMP = 'output=[{name="lamp", pin=1, rule="cat"}]'


def made(*overrides: str) -> Config:
    return load(None, overrides)


@pytest.mark.parametrize(
    "change",
    [
        "decide.enter=0.9",
        "decide.nothing=['x']",
        "rule.cat.enter=0.9",
        'rule=[{name="cat", labels=["tabby"]}]',
        "idle.after_s=10",
        "log.level=debug",
        "model.path=/m.tflite",
        "mqtt.classification_hz=5",
        "mqtt.classification_top=5",
        "mqtt.health_s=5",
        "mqtt.image=event",
        "mqtt.image_quality=50",
    ],
)
def test_what_can_change_is_taken_over(change: str) -> None:
    old, new = made(RULES, LAMP), made(RULES, LAMP, change)
    assert new != old
    assert reloadable(old, new) == (new, [])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("device=other", "device"),
        ("camera.fps=5", "camera.fps"),
        ("mqtt.host=x", "mqtt.host"),
        ("mqtt.tls.enabled=true", "mqtt.tls.enabled"),
        ("log.format=json", "log.format"),
        ("output=[]", "output"),
        ("gpio.factory=mock", "gpio.factory"),
    ],
)
def test_what_cannot_change_keeps_its_old_value_and_is_named(change: str, name: str) -> None:
    old, new = made(RULES, LAMP), made(RULES, LAMP, "decide.enter=0.9", change)
    assert reloadable(old, new) == (made(RULES, LAMP, "decide.enter=0.9"), [name])


def test_nothing_is_taken_over_where_the_kept_output_would_lose_its_rule() -> None:
    old = made(RULES, LAMP)
    new = made(
        'rule=[{name="bird", labels=["bird"]}]', 'output=[{name="lamp", pin=1, rule="bird"}]'
    )
    assert reloadable(old, new) == (old, ["rule", "output"])


def test_the_same_configuration_changes_nothing() -> None:
    assert reloadable(made(RULES), made(RULES)) == (made(RULES), [])


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_the_effective_text_reads_as_the_same_configuration(text: str) -> None:
    assume(public_name(text) == redacted(text) == text and not is_secret(text))
    config = made(RULES, LAMP, "rule.dog.enter=0.55", "mqtt.tls.enabled=true")
    model = msgspec.structs.replace(config.model, delegate_options={text: "1"})
    camera = msgspec.structs.replace(config.camera, source=text, fps=1e-5)
    config = msgspec.structs.replace(config, model=model, camera=camera)
    assert msgspec.convert(parse(effective(config)), Config) == config
