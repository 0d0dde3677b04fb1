"""Where edged keeps its socket and its state."""

from __future__ import annotations

from tests.strangers import UID, as_stranger, commons

__all__ = ["commons"]


def test_a_user_without_a_home_is_told_what_to_set(commons: object) -> None:
    status, said = as_stranger(
        "from edged.paths import state_directory\nfrom edged.errors import ConfigError",
        "try:\n    state_directory()\nexcept ConfigError as error:\n    print(error)",
    )
    assert (status, said) == (
        0,
        f"user {UID} has no home directory to keep edged's state in: "
        "set the environment variable XDG_STATE_HOME or HOME\n",
    )


def test_a_user_without_a_home_has_no_models_of_its_own(commons: object) -> None:
    status, said = as_stranger(
        "from edged.models import library", "print(*library.directories(), library.destination())"
    )
    assert (status, said) == (0, "/var/lib/edged/models /var/lib/edged/models\n")
