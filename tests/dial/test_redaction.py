import json

from hypothesis import given
from hypothesis import strategies as st

from probe.dial.redaction import SHOWN, Redaction
from probe.model.facts import AdminApiFacts, ErrorFacts
from probe.model.observation import StageRecord
from probe.model.words import Failure, Outcome, Stage

PASSWORD = "correct-horse-battery"


def redaction(*secrets: str) -> Redaction:
    made = Redaction()
    for secret in secrets:
        made.add(secret)
    return made


def error(message: str) -> ErrorFacts:
    return ErrorFacts(type="ErrorResponse", message=message)


def test_without_secrets_nothing_is_changed() -> None:
    record = error("anything")
    assert Redaction().clean(record) is record


def test_a_record_without_a_secret_in_it_stays_the_same_object() -> None:
    record = StageRecord(stage=Stage.LOGIN, outcome=Outcome.FAILED, error=error("no"))
    assert redaction(PASSWORD).clean(record) is record


def test_a_secret_is_replaced_in_nested_records_and_tuples() -> None:
    facts = AdminApiFacts(endpoint="http://x", region=PASSWORD, address_types=("PRIVATE", f"<{PASSWORD}>"))
    record = StageRecord(
        stage=Stage.ADMIN_API, outcome=Outcome.FAILED, facts=facts, error=error(f"not {PASSWORD}!")
    )
    (cleaned,) = redaction(PASSWORD).clean((record,))
    assert cleaned.error == error(f"not {SHOWN}!")
    assert cleaned.facts == AdminApiFacts(
        endpoint="http://x", region=SHOWN, address_types=("PRIVATE", f"<{SHOWN}>")
    )


def test_an_enum_is_no_text_to_clean() -> None:
    record = StageRecord(stage=Stage.LOGIN, outcome=Outcome.FAILED, failure=Failure.TIMEOUT)
    assert redaction("login", "timeout").clean(record) == record


def test_secrets_that_would_make_every_text_unreadable_are_left() -> None:
    assert redaction("", "abc").clean("abc") == "abc"


def test_of_two_secrets_the_longer_is_replaced_whole() -> None:
    assert redaction("horse", "horse-battery").clean("horse-battery horse") == f"{SHOWN} {SHOWN}"


def test_an_error_that_was_cut_inside_a_secret_shows_no_part_of_it() -> None:
    token = "ya29." + "".join(chr(97 + i * 7 % 26) + str(i) for i in range(300))
    for cut in (token[:490], token[-490:], token[100:200]):
        assert redaction(token).clean(error(f"no: {cut}")) == error(f"no: {SHOWN}")


def test_an_escaped_secret_is_replaced_too() -> None:
    secret = "p\"a's\\sé"
    for form in (repr(secret)[1:-1], repr(secret.encode())[2:-1], json.dumps(secret)[1:-1]):
        assert redaction(secret).clean(f"got {form}!") == f"got {SHOWN}!"


def test_names_that_share_a_part_with_a_secret_stay_readable() -> None:
    assert redaction("staging-db-password").clean("cloudsql/staging-db/1") == "cloudsql/staging-db/1"


@given(before=st.text(), after=st.text(), secret=st.text(alphabet="abcdefg'\\", min_size=4))
def test_no_text_keeps_a_secret(before: str, after: str, secret: str) -> None:
    assert secret not in redaction(secret).clean(error(before + secret + after)).message
