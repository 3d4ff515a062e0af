import pytest

from deskwire.core.exchange import Answer, authorization, encode


@pytest.mark.parametrize(
    ("user", "token", "headers"),
    [
        (None, None, {}),
        ("ana", None, {}),
        (None, "secret", {"Authorization": "Bearer secret"}),
        ("ana", "ü", {"Authorization": "Basic YW5hOsO8"}),
    ],
)
def test_a_user_makes_it_basic_and_a_token_alone_bearer(
    user: str | None, token: str | None, headers: dict[str, str]
) -> None:
    assert authorization(user, token) == headers


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30.0), ("0", 0.0), ("", None), ("-1", None), ("²", None), ("Wed, 21 Oct 2026", None)],
)
def test_retry_after_counts_where_it_is_a_number_of_seconds(
    value: str, seconds: float | None
) -> None:
    assert Answer(status=429, headers={"retry-after": value}).retry_after_seconds() == seconds


def test_an_excerpt_is_one_short_line_whatever_the_bytes() -> None:
    answer = Answer(status=500, body=b"Internal\n  Server \xff" + b"x" * 300)

    assert answer.excerpt() == "Internal Server \ufffd" + "x" * 181


@pytest.mark.parametrize(
    ("status", "success"), [(199, False), (200, True), (299, True), (300, False)]
)
def test_a_success_is_a_2xx(status: int, success: bool) -> None:
    assert Answer(status=status).is_success is success


def test_a_value_becomes_compact_json_text() -> None:
    assert encode({"a": [1, None, "ü"]}) == '{"a":[1,null,"ü"]}'
