"""The daemon's configuration, for clients that show or change it."""

from __future__ import annotations

from collections.abc import Sequence

from edged.anomaly import place as normal_place
from edged.config.saved import Kept
from edged.config.schema import Config
from edged.errors import ConfigError
from edged.messages.replies import OutputSetup, RuleSetup, SetupAnswer
from edged.teaching import place


def setup(config: Config, labels: Sequence[str], kept: Kept) -> SetupAnswer:
    """The active configuration; `labels` are the model's, `kept` is what the page changed."""
    decide = config.decide
    return SetupAnswer(
        rules={
            rule.name: RuleSetup(
                labels=rule.labels,
                combine=rule.combine,
                enter=decide.enter if rule.enter is None else rule.enter,
                exit=decide.exit if rule.exit is None else rule.exit,
                saved=rule.name in kept.rules,
            )
            for rule in config.rule
        },
        outputs={
            output.name: OutputSetup(device=output.device, rule=output.rule, action=output.action)
            for output in config.output
        },
        labels=list(labels),
        region=list(config.camera.region),
        privacy=[list(polygon) for polygon in config.camera.privacy],
        undo=kept.undo,
        taught_in=_taught_in(config),
        normal_in=_normal_in(config),
    )


def _taught_in(config: Config) -> str | None:
    if not config.teach.enabled:
        return None
    try:
        return config.teach.path or str(place.folder(config))
    except ConfigError:
        # Without a state directory nothing can be taught.
        return None


def _normal_in(config: Config) -> str | None:
    try:
        return str(normal_place.place(config))
    except ConfigError:
        return None
