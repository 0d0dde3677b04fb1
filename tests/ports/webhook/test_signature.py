"""The signature is that of Standard Webhooks."""

from __future__ import annotations

import pytest

from edged.errors import PortError
from edged.ports.webhook.signature import headers, key


def test_it_is_the_one_of_the_standards_own_example() -> None:
    made = headers(
        key("the secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_without_a_key_nothing_is_signed() -> None:
    assert headers(None, "porch-1", 7, b"") == {"webhook-id": "porch-1", "webhook-timestamp": "7"}


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_", "whsec_hunter2!", "aHVudGVyMg=="])
def test_what_is_no_secret_of_the_standard_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(PortError, match="the secret is not whsec_ and base64;") as refused:
        key("the secret", secret)
    assert "hunter2" not in str(refused.value)
