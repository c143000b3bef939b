"""The one list of routers, and of the fast lanes past them."""

from app.contacts.router import LANES as CONTACT_LANES
from app.contacts.router import router as contacts
from app.followups.router import router as followups
from app.goals.router import router as goals
from app.intake.router import router as intake
from app.kit.long_jobs_router import router as jobs
from app.metrics.router import router as metrics
from app.profile.router import router as profile
from app.surveys.router.frequency import router as frequency_rules
from app.surveys.router.invitations import router as survey_invitations
from app.surveys.router.public import LANES as PUBLIC_SURVEY_LANES
from app.surveys.router.public import router as public_surveys
from app.surveys.router.responses import router as survey_responses
from app.surveys.router.results import router as survey_results
from app.surveys.router.surveys import router as surveys
from app.touchpoints.router import router as touchpoints
from app.webhooks.router import router as webhooks
from app.workspaces.router import router as workspaces

ROUTERS = (
    workspaces,
    contacts,
    touchpoints,
    profile,
    surveys,
    survey_invitations,
    frequency_rules,
    public_surveys,
    survey_responses,
    survey_results,
    followups,
    metrics,
    goals,
    webhooks,
    intake,
    jobs,
)
LANES = (*CONTACT_LANES, *PUBLIC_SURVEY_LANES)
