"""From what a caller says of a contact to what is stored of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.contacts.models import AttributeDefinitionRow, ContactRow, IdentityKey
from app.contacts.schemas.contacts import EmailInput, ExternalIdInput, PhoneInput
from app.kit.contact_points import email_address, phone_number
from app.kit.errors import FieldError, Invalid
from app.kit.schemas import FIRST_YEAR, LAST_YEAR

LONGEST_TEXT = 1000
LARGEST_NUMBER = 10**15
UNNAMED = "Unnamed contact"


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Brings fields into their stored form, and says of every bad place what is wrong with it."""

    definitions: Mapping[str, AttributeDefinitionRow]

    def stored(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The stored values of the fields in `said`. A null attribute stays null: it removes one.

        Raises `Invalid` with a pointer for each bad place.
        """
        values = dict(said)
        errors: list[FieldError] = []
        for name, normalise in (
            ("emails", self._emails),
            ("phones", self._phones),
            ("attributes", self._attributes),
        ):
            if name in values:
                values[name] = normalise(values[name], errors)
        if "external_ids" in values:
            values["external_ids"] = _distinct(_external_id(each) for each in values["external_ids"])
        if "tags" in values:
            values["tags"] = sorted(set(values["tags"]))
        if errors:
            raise Invalid("The contact is not valid.", errors=errors)
        return values

    def _emails(self, emails: Sequence[EmailInput], errors: list[FieldError]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for index, email in enumerate(emails):
            try:
                address = email_address(email.address, f"/emails/{index}/address")
            except Invalid as invalid:
                errors.extend(invalid.errors)
            else:
                found.setdefault(address.lower(), {"address": address, "label": email.label})
        return list(found.values())

    def _phones(self, phones: Sequence[PhoneInput], errors: list[FieldError]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for index, phone in enumerate(phones):
            try:
                number = phone_number(phone.number, f"/phones/{index}/number")
            except Invalid as invalid:
                errors.extend(invalid.errors)
            else:
                found.setdefault(number, {"number": number, "label": phone.label})
        return list(found.values())

    def _attributes(self, attributes: Mapping[str, Any], errors: list[FieldError]) -> dict[str, Any]:
        for key, value in attributes.items():
            place = "/attributes/" + key.replace("~", "~0").replace("/", "~1")
            definition = self.definitions.get(key)
            if definition is None:
                detail = "is not defined here: define it first with POST /v1/attribute-definitions"
                errors.append(FieldError(place, detail, "unknown_attribute"))
            elif value is not None and (wrong := _wrong(value, definition)):
                errors.append(FieldError(place, wrong, "wrong_type"))
        return dict(attributes)


def identity_keys(values: Mapping[str, Any]) -> list[IdentityKey]:
    """The keys in a contact's stored emails and external ids."""
    emails = [IdentityKey.email(email["address"]) for email in values.get("emails") or ()]
    return emails + [
        IdentityKey.external(each["source"], each["id"]) for each in values.get("external_ids") or ()
    ]


def row_keys(row: ContactRow) -> list[IdentityKey]:
    """The keys that a stored contact has."""
    return identity_keys({"emails": row.emails, "external_ids": row.external_ids})


def derived_name(values: Mapping[str, Any]) -> str:
    """What to call a contact who was not given a display name."""
    names = [values.get("given_name"), values.get("family_name")]
    if any(names):
        return " ".join(name for name in names if name)
    for field, part in (("emails", "address"), ("phones", "number"), ("external_ids", "id")):
        if values.get(field):
            return str(values[field][0][part])
    return UNNAMED


NAMING_FIELDS = ("given_name", "family_name", "emails", "phones", "external_ids")


def without_nulls(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are left when null has removed some."""
    return {key: value for key, value in attributes.items() if value is not None}


def added(present: list[dict[str, Any]], more: Iterable[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """`present` and those of `more` that it lacks; a label that is sent replaces the one there is."""
    found = {each[key].lower(): each for each in present}
    for each in more:
        known = found.get(each[key].lower())
        if known is None:
            found[each[key].lower()] = each
        elif each["label"] is not None and each["label"] != known["label"]:
            found[each[key].lower()] = known | {"label": each["label"]}
    return list(found.values())


def added_ids(present: list[dict[str, Any]], more: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """`present` and those of `more` that it lacks."""
    return _distinct([*present, *more])


def _external_id(given: ExternalIdInput) -> dict[str, Any]:
    return {"source": given.source, "id": given.id}


def _distinct(external_ids: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({(each["source"], each["id"]): each for each in external_ids}.values())


def _wrong(value: Any, definition: AttributeDefinitionRow) -> str | None:
    """Why the value does not suit the attribute; None when it does."""
    match definition.type:
        case "text":
            fits = isinstance(value, str) and len(value) <= LONGEST_TEXT
            return None if fits else f"must be a text of at most {LONGEST_TEXT} characters"
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
            return None if fits and abs(value) < LARGEST_NUMBER else "must be a number below 10^15"
        case "boolean":
            return None if isinstance(value, bool) else "must be true or false"
        case "date":
            return None if _is_day(value) else "must be a calendar day such as 2026-01-31"
    return None if value in definition.options else "must be one of " + ", ".join(definition.options[:20])


def _is_day(value: Any) -> bool:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return len(value) == len("2026-01-31") and FIRST_YEAR <= day.year < LAST_YEAR
