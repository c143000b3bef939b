"""Email addresses and phone numbers in their one normal form, by the libraries that know them."""

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from app.kit.errors import Invalid

LONGEST_EMAIL = 254


def email_address(text: str, pointer: str) -> str:
    """The address as it is shown: Unicode normalised, domain in lower case. No DNS is asked.

    Raises `Invalid` at `pointer`.
    """
    try:
        parsed = validate_email(
            text.strip(), check_deliverability=False, allow_smtputf8=True, test_environment=True
        )
    except EmailNotValidError:
        raise Invalid.at(pointer, "is not an email address", "bad_email") from None
    if len(parsed.normalized) > LONGEST_EMAIL:
        raise Invalid.at(pointer, f"is longer than {LONGEST_EMAIL} characters", "bad_email")
    return parsed.normalized


def email_key(text: str, pointer: str) -> str:
    """The form by which two spellings of one address are the same: all in lower case."""
    return email_address(text, pointer).lower()


def phone_number(text: str, pointer: str) -> str:
    """The number in E.164. It must come with its country code; raises `Invalid` at `pointer`."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise Invalid.at(
            pointer, "is not a phone number with its country code, such as +49 30 901820", "bad_phone"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
