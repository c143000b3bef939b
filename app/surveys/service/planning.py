"""Planning whom to ask later."""

from app.kit.database import Unit
from app.surveys.models.surveys import SurveyRow


async def plan_audience(unit: Unit, survey: SurveyRow) -> None:
    """Plans an ask of everybody whom the survey's audience names."""
    raise NotImplementedError
