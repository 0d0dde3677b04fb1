"""What the daemon runs with, for who is to show or change it."""

from __future__ import annotations

from collections.abc import Sequence

from edged.config.schema import Config
from edged.messages.replies import OutputSetup, RuleSetup, SetupAnswer


def setup(config: Config, labels: Sequence[str]) -> SetupAnswer:
    """Of the configuration in force, and the model's `labels`."""
    decide = config.decide
    return SetupAnswer(
        rules={
            rule.name: RuleSetup(
                labels=rule.labels,
                combine=rule.combine,
                enter=decide.enter if rule.enter is None else rule.enter,
                exit=decide.exit if rule.exit is None else rule.exit,
            )
            for rule in config.rule
        },
        outputs={
            output.name: OutputSetup(device=output.device, rule=output.rule, action=output.action)
            for output in config.output
        },
        labels=list(labels),
        region=list(config.camera.region),
    )
