"""What makes the settings of a survey sound, beyond the shape of each."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.contacts.service.matching import ContactMatcher
from app.kit.database import Unit
from app.kit.errors import FieldError, Invalid
from app.kit.filters import parse_filter
from app.surveys.models.surveys import SurveyType
from app.surveys.schemas.questions import SCORE_RANGES
from app.surveys.schemas.surveys import FollowupRuleInput
from app.surveys.service.scoring import SCALES
from app.workspaces.service import WorkspaceService


def usual_followup_rules(survey_type: SurveyType, *, anonymous: bool) -> list[dict[str, Any]]:
    """The rules of a survey whose author names none: one for detractors, where there is a score."""
    if anonymous or survey_type == "custom":
        return []
    rule = FollowupRuleInput(score_at_most=SCALES[survey_type].negative_to)
    return [rule.model_dump(mode="json")]


class SettingsCheck:
    """Judges the settings as they would be stored, so that creating and changing follow the same rules."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    async def check(
        self, settings: Mapping[str, Any], questions: Sequence[Mapping[str, Any]], changed: set[str]
    ) -> None:
        """Raises `Invalid` with every wrong place. What takes a look into the database is only looked at
        where it is among what `changed`.
        """
        errors = [
            *_recontact_errors(settings),
            *_recurrence_errors(settings),
            *_time_errors(settings, self.unit.now if "closes_at" in changed else None),
            *_rule_errors(settings, questions),
        ]
        Invalid.refuse_any(errors)
        if settings["audience"] is not None and "audience" in changed:
            await ContactMatcher(self.unit).check(parse_filter(settings["audience"]), "/audience")
        if "followup_rules" in changed:
            await self._check_owners(settings["followup_rules"])

    async def _check_owners(self, rules: Sequence[Mapping[str, Any]]) -> None:
        workspace = WorkspaceService(self.unit)
        for place, rule in enumerate(rules):
            if rule["owner_id"] is not None:
                await workspace.require_members([UUID(rule["owner_id"])], f"/followup_rules/{place}/owner_id")


def _recontact_errors(settings: Mapping[str, Any]) -> list[FieldError]:
    recurring = settings["recontact_rule"] == "recurring"
    if recurring and settings["recontact_days"] is None:
        return [FieldError("/recontact_days", "is needed for the rule `recurring`", "missing")]
    if not recurring and settings["recontact_days"] is not None:
        return [FieldError("/recontact_days", "is for the rule `recurring` alone", "not_allowed")]
    return []


def _recurrence_errors(settings: Mapping[str, Any]) -> list[FieldError]:
    if settings["recurrence_days"] is not None:
        return []
    errors = []
    if settings["recurrence_iterations"] is not None:
        errors.append(FieldError("/recurrence_iterations", "needs recurrence_days", "not_allowed"))
    if settings["recurrence_invites"]:
        errors.append(FieldError("/recurrence_invites", "needs recurrence_days", "not_allowed"))
    return errors


def _time_errors(settings: Mapping[str, Any], now: Any) -> list[FieldError]:
    opens_at, closes_at = settings["opens_at"], settings["closes_at"]
    if closes_at is None:
        return []
    if opens_at is not None and closes_at <= opens_at:
        return [FieldError("/closes_at", "must lie after opens_at", "closes_first")]
    if now is not None and closes_at <= now:
        return [FieldError("/closes_at", "must lie in the future", "in_the_past")]
    return []


def _rule_errors(settings: Mapping[str, Any], questions: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    errors = []
    if settings["anonymous"] and settings["followup_rules"]:
        detail = "must be empty for an anonymous survey: nobody knows whom to follow up with"
        errors.append(FieldError("/followup_rules", detail, "anonymous"))
    texts = {question["key"] for question in questions if question["type"] == "text"}
    for place, rule in enumerate(settings["followup_rules"]):
        errors += _errors_of_rule(rule, f"/followup_rules/{place}", settings["type"], texts)
    return errors


def _errors_of_rule(
    rule: Mapping[str, Any], pointer: str, survey_type: str, texts: set[str]
) -> list[FieldError]:
    score, phrases = rule["score_at_most"], rule["text_contains"]
    if (score is None) == (not phrases):
        detail = "must have either score_at_most or text_contains"
        return [FieldError(pointer, detail, "one_condition")]
    if score is not None:
        return _score_errors(score, f"{pointer}/score_at_most", survey_type)
    if rule["question"] is not None and rule["question"] not in texts:
        detail = "is not a text question of this survey"
        return [FieldError(f"{pointer}/question", detail, "unknown_question")]
    if not texts:
        return [FieldError(f"{pointer}/text_contains", "the survey has no text question", "no_text_question")]
    return []


def _score_errors(score: int, pointer: str, survey_type: str) -> list[FieldError]:
    if survey_type not in SCORE_RANGES:
        return [FieldError(pointer, "a custom survey has no score", "no_score")]
    low, high = SCORE_RANGES[survey_type]
    if low <= score <= high:
        return []
    return [FieldError(pointer, f"must lie between {low} and {high}", "out_of_range")]
