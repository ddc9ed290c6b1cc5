"""Each scheme, against the vectors that its senders publish and the library of Standard Webhooks."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from timix_assets.settings import SettingsError
from timix_assets.settings.webhooks import WebhookSettings
from timix_assets.webhooks.signatures import EventRefused, Signatures

from .receiving import BODY, NOW, OTHER_SECRET, SECRET

HEX = {"webhook_scheme": "hmac-sha256-hex", "webhook_secrets": "s3cret"}
TIMED = {**HEX, "webhook_timestamp_header": "X-Time"}


def signatures(**settings: object) -> Signatures:
    return Signatures.of(WebhookSettings.model_validate({"webhook_secrets": SECRET, **settings}))


def test_standard_webhooks_as_its_specification_signs() -> None:
    sent = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert signatures().verify(sent, b'{"test": 2432232314}', 1614265330)


def test_hex_as_github_documents_it() -> None:
    # GitHub, "Validating webhook deliveries".
    signing = Signatures("hmac-sha256-hex", [b"It's a Secret to Everybody"], signatures(**HEX).headers, 300)
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signing.verify({"x-webhook-signature": signature}, b"Hello, World!", NOW)


@given(st.binary(max_size=50).map(lambda some: base64.b16encode(some).decode()), st.integers(0, 299))
def test_library_and_we_agree(body: str, age: int) -> None:
    moment = datetime.now(UTC)
    at = int(moment.timestamp()) - age
    Webhook(SECRET).verify(body, signatures().sign("evt_1", at, body.encode()), json_parse=False)
    theirs = Webhook(SECRET).sign("evt_1", datetime.fromtimestamp(at, UTC), body)
    sent = {"webhook-id": "evt_1", "webhook-timestamp": str(at), "webhook-signature": theirs}
    assert signatures().verify(sent, body.encode(), moment.timestamp())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        HEX,
        TIMED,
        {**HEX, "webhook_scheme": "hmac-sha256-base64"},
        {**TIMED, "webhook_scheme": "hmac-sha256-base64", "webhook_id_header": "X-Id"},
        {**HEX, "webhook_scheme": "token"},
        {**HEX, "webhook_scheme": "token", "webhook_signature_header": "X-Token"},
    ],
)
def test_what_is_signed_is_verified_and_nothing_else(settings: dict[str, object]) -> None:
    ours = signatures(**settings)
    sent = ours.sign("evt_1", NOW, BODY)
    key = ours.verify(sent, BODY, NOW)
    assert key == ours.verify(sent, BODY, NOW)
    if ours.scheme != "token":
        with pytest.raises(EventRefused, match="signature is wrong"):
            ours.verify(sent, BODY + b" ", NOW)
        assert key != ours.verify(ours.sign("evt_2", NOW, b"{}"), b"{}", NOW)
    for name in sent.keys() - {"x-id"}:
        with pytest.raises(EventRefused, match=f"{name} is missing"):
            ours.verify({other: value for other, value in sent.items() if other != name}, BODY, NOW)
    with pytest.raises(EventRefused, match="is wrong"):
        ours.verify({**sent, ours.headers.signature: "é v1, sha256= ="}, BODY, NOW)


def test_token_may_be_a_bearer_token() -> None:
    token = signatures(webhook_scheme="token", webhook_secrets="s3cret")
    assert token.verify({"authorization": "Bearer s3cret"}, BODY, NOW)


def test_signed_time_cannot_be_replaced() -> None:
    ours = signatures(**TIMED)
    sent = {**ours.sign("", NOW, BODY), "x-time": str(int(NOW) + 1)}
    with pytest.raises(EventRefused, match="signature is wrong"):
        ours.verify(sent, BODY, NOW)


@pytest.mark.parametrize("text", ["", "now", "-1", "1e9", "9" * 17, "١٢", "nan"])
def test_unreadable_time_is_refused(text: str) -> None:
    ours = signatures(**TIMED)
    with pytest.raises(EventRefused, match="time|missing"):
        ours.verify({**ours.sign("", NOW, BODY), "x-time": text}, BODY, NOW)


def test_time_may_be_in_milliseconds() -> None:
    ours = signatures(**TIMED)
    sent = ours.sign("", NOW * 1000, BODY)
    assert ours.verify(sent, BODY, NOW)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"webhook_secrets": ""}, "TIMIX_WEBHOOK_SECRETS is not set"),
        ({"webhook_secrets": "YWE= YWE= YWE="}, "holds 3 secrets"),
        ({"webhook_secrets": "hush!"}, "base64"),
        ({"webhook_secrets": "whsec_"}, "base64"),
        ({"webhook_secrets": "é"}, "base64"),
        ({**TIMED, "webhook_scheme": "token"}, "a token signs no time"),
        ({"webhook_scheme": "token", "webhook_secrets": "hush! é"}, "only ASCII characters"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        signatures(**settings)
    assert "hush" not in str(refused.value)


def test_hex_digits_may_be_capital_and_base64_unpadded() -> None:
    ours = signatures(**HEX)
    assert ours.verify({"x-webhook-signature": ours.sign("", NOW, BODY)["x-webhook-signature"].upper()}, BODY, NOW)
    assert signatures(webhook_secrets="whsec_YQ").secrets == [b"a"]


def test_sender_may_sign_with_two_secrets() -> None:
    sent = signatures().sign("evt_1", NOW, BODY)
    other = signatures(webhook_secrets=OTHER_SECRET).sign("evt_1", NOW, BODY)["webhook-signature"]
    assert signatures().verify({**sent, "webhook-signature": f"{other} {sent['webhook-signature']}"}, BODY, NOW)


def test_no_repr_shows_a_secret() -> None:
    ours = signatures(webhook_secrets=f"{SECRET} {OTHER_SECRET}")
    assert SECRET not in repr(ours)
    assert repr(ours.secrets[0]) not in repr(ours)
