"""Shapes of the results of a survey."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.kit.schemas import Number, OptionalNumber, Output
from app.surveys.schemas.questions import SURVEY_TYPE, QuestionType, SurveyType

Trend = Literal["day", "week", "month", "quarter", "iteration"]
GroupValue = str | int | float | bool | None

_WITHHELD = "Null where an anonymous survey withholds it."


class ScoreFigures(Output):
    """A score and how sure it is. Everything but `n` is null without answers, and for `custom` surveys."""

    n: int | None = Field(
        description="How many answers the score is computed from; of a `custom` survey, how many completed "
        f"responses there are. {_WITHHELD}"
    )
    score: OptionalNumber = Field(
        description="nps: per cent promoters less per cent detractors, −100 to 100. csat, ces: per cent "
        "satisfied or easy, 0 to 100."
    )
    ci_low: OptionalNumber = Field(description="Lower end of the score's 95 % interval.")
    ci_high: OptionalNumber = Field(description="Upper end of the score's 95 % interval.")
    mean: OptionalNumber = Field(description="Mean of the answers on their own scale.")


class ResultsRate(Output):
    """A share with its 95 % Wilson interval, all of them 0 to 1."""

    value: Number = Field(description="`numerator` by `denominator`.")
    numerator: int = Field(description="How many did.")
    denominator: int = Field(description="Of how many.")
    ci_low: Number = Field(description="Lower end of the 95 % interval.")
    ci_high: Number = Field(description="Upper end of the 95 % interval.")


class BandFigures(Output):
    """How many answers lie in one band of the scale."""

    band: str = Field(description="Such as `promoter`, `passive`, `detractor`.")
    count: int | None = Field(
        description="How many answers. Null in all bands where an anonymous survey withholds one."
    )
    share: OptionalNumber = Field(description="Of all answers, 0 to 1; null without answers.")


class VersionFigures(Output):
    """How much of the results one version of the questions has."""

    questions_version: int = Field(description="The version.")
    n: int | None = Field(description=f"Completed responses to it. {_WITHHELD}")


class QuestionFigures(Output):
    """What was answered to one question, over all versions that ask it by this key and type."""

    key: str = Field(description="The question's key.")
    type: QuestionType = Field(description="The question's type.")
    text: str = Field(description="The question in the survey's default locale, as last worded.")
    questions_versions: list[int] = Field(description="The versions of the questions that have it.")
    n: int | None = Field(description=f"How many answered it. {_WITHHELD}")
    not_reached: int | None = Field(
        description=f"How many were not asked it, since their other answers led past it. {_WITHHELD}"
    )
    skipped: int | None = Field(description=f"How many were asked it and gave no answer. {_WITHHELD}")
    distribution: dict[str, int | None] | None = Field(
        description="How many gave each answer: a value of the scale, a choice's key, `true` or `false`. "
        "Of several choices each counts, so these add up to more than `n`. Null for `text`, `number` and "
        "`date`, and an answer's count is null where an anonymous survey withholds it; those of a scale are "
        "all null then."
    )
    mean: OptionalNumber = Field(description="Mean of the answers, where they are numbers.")
    score: OptionalNumber = Field(description="Score of an `nps`, `csat` or `ces` question; null for others.")
    ci_low: OptionalNumber = Field(description="Lower end of the score's 95 % interval.")
    ci_high: OptionalNumber = Field(description="Upper end of the score's 95 % interval.")
    min: float | date | None = Field(
        description="The least `number` or earliest `date` given. Null in anonymous surveys: it is one "
        "person's answer."
    )
    max: float | date | None = Field(description="The greatest `number` or latest `date`, as `min`.")


class GroupFigures(ScoreFigures):
    """The score of one group of responses."""

    group: dict[str, GroupValue] = Field(
        description="The value of each field of `group_by`; null for responses that have none."
    )
    suppressed: bool = Field(
        description="True where an anonymous survey withholds the group: it has fewer answers than "
        "`suppressed_below`, or would give away one that has."
    )


class TrendPoint(ScoreFigures):
    """The score of one period or iteration."""

    period_start: date | None = Field(
        description="Its first local day; null for the iteration of a survey that does not recur."
    )
    period_end: date | None = Field(description="The day after its last one; null where it has no end yet.")
    iteration: int | None = Field(description="Its number; null in a trend by period.")


class ComparedWindow(ScoreFigures):
    """The score of the window that the results are compared with."""

    period_start: date = Field(description="Its first local day.")
    period_end: date = Field(description="The day after its last one.")


class ScoreComparison(Output):
    """How the score moved since an earlier window. The figures are null if either has no answers."""

    before: ComparedWindow = Field(description="The earlier window.")
    difference: OptionalNumber = Field(description="Score of the results less score of `before`, in points.")
    ci_low: OptionalNumber = Field(description="Lower end of the difference's 95 % interval.")
    ci_high: OptionalNumber = Field(description="Upper end of the difference's 95 % interval.")
    p_value: OptionalNumber = Field(description="How likely chance alone makes such a difference, 0 to 1.")
    significant: bool | None = Field(
        description="Whether the interval leaves out 0, which is when `p_value` is under 0.05."
    )


class SurveyResults(ScoreFigures):
    """What the completed responses come to. Test responses are in nothing here."""

    survey_id: UUID = Field(description="The survey.")
    type: SurveyType = Field(description=SURVEY_TYPE)
    versions: list[VersionFigures] = Field(
        description="The versions of the questions that the responses were given to, oldest first."
    )
    responses: int | None = Field(
        description="Completed responses; more than `n` where some did not answer the score question. "
        "Null where so few responses to an anonymous survey match, or are left out by the filters, that it "
        "would tell of them."
    )
    distribution: dict[str, int | None] | None = Field(
        description="How many gave each value of the scale; null for `custom` surveys. All counts are null "
        "where an anonymous survey withholds one."
    )
    bands: list[BandFigures] = Field(description="From the worst to the best; empty for `custom` surveys.")
    invited: int | None = Field(
        description="Invitations made in the window, on the channel and in the iteration, without bounced, "
        "revoked and test ones and without those that grew out of an open link. This and all below it are "
        "null with `questions_version` or `locale`, which an invitation does not have."
    )
    opened: int | None = Field(description=f"Of those, how many were opened. {_WITHHELD}")
    started: int | None = Field(description=f"Of those, how many were begun to be answered. {_WITHHELD}")
    completed: int | None = Field(
        description="Of those, how many were answered to the end; of an anonymous survey, as far as that is "
        f"settled, at least five at once. {_WITHHELD}"
    )
    response_rate: ResultsRate | None = Field(description="`completed` by `invited`; null without any.")
    start_rate: ResultsRate | None = Field(description="`started` by `opened`; null without any.")
    completion_rate: ResultsRate | None = Field(description="`completed` by `started`; null without any.")
    questions: list[QuestionFigures] = Field(
        description="Each question, in the order of the latest version; then those of earlier ones."
    )
    breakdown: list[GroupFigures] = Field(
        description="The groups of `group_by`, largest first, the 1,000 largest at most; empty without it."
    )
    breakdown_groups: int = Field(
        description="How many groups there are. More than are listed if there are over 1,000."
    )
    trend: list[TrendPoint] = Field(
        description="By period or iteration, oldest first, those without responses between them included; "
        "empty without `trend`."
    )
    comparison: ScoreComparison | None = Field(description="Null without `compare_from`.")
    suppressed_below: int | None = Field(
        description="An anonymous survey withholds numbers about fewer answers than this; null for others."
    )
