"""SQL of the additive facts of a day, counted from the rows of the rooms below."""

from app.metrics.models import MetricDayRow
from app.surveys.service.scoring import SCALES
from app.surveys.service.suppression import MINIMUM

DAY_FACTS = tuple(column.name for column in MetricDayRow.__table__.columns if not column.primary_key)
"""What is known of a day, by column."""

_NPS, _CSAT, _CES = SCALES["nps"], SCALES["csat"], SCALES["ces"]

# Each lateral aggregate makes one range scan of an index per marked day, however many days the workspace has.
_TOUCHPOINTS = """
    SELECT count(*) AS touchpoints,
        count(*) FILTER (WHERE kind = 'purchase') AS purchases,
        coalesce(sum(amount) FILTER (WHERE kind = 'purchase'), 0) AS purchase_value,
        count(*) FILTER (WHERE kind = 'refund') AS refunds,
        coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refund_value
    FROM touchpoints
    WHERE workspace_id = $1 AND occurred_at >= marked.begins AND occurred_at < marked.ends
        AND deleted_at IS NULL
"""

_CONTACTS = """
    SELECT count(*) AS new_contacts FROM contacts
    WHERE workspace_id = $1 AND acquired_at >= marked.begins AND acquired_at < marked.ends
"""

# Anonymous responses know their day and no instant, and count once they are settled: a score that moves when
# somebody answers tells what they said. Of a day on which a survey has too few of them they do not count at
# all, in no period: every figure is a sum of days, and a longer period less its other days would be the few.
# Two kinds, two scans: an OR would be none.
_SCORES = f"""
    SELECT count(*) FILTER (WHERE type = 'nps' AND score >= {_NPS.positive_from}) AS promoters,
        count(*) FILTER (
            WHERE type = 'nps' AND score > {_NPS.negative_to} AND score < {_NPS.positive_from}
        ) AS passives,
        count(*) FILTER (WHERE type = 'nps' AND score <= {_NPS.negative_to}) AS detractors,
        count(*) FILTER (WHERE type = 'csat') AS csat_answers,
        count(*) FILTER (WHERE type = 'csat' AND score >= {_CSAT.positive_from}) AS satisfied,
        count(*) FILTER (WHERE type = 'ces') AS ces_answers,
        count(*) FILTER (WHERE type = 'ces' AND score >= {_CES.positive_from}) AS found_easy
    FROM (
        SELECT score_type AS type, score FROM survey_responses
        WHERE workspace_id = $1 AND answered_at >= marked.begins AND answered_at < marked.ends
            AND state = 'completed' AND NOT is_test
        UNION ALL
        SELECT score_type, score FROM (
            SELECT score_type, score, count(score) OVER (PARTITION BY survey_id) AS scored
            FROM survey_responses
            WHERE workspace_id = $1 AND answered_at IS NULL AND answered_on = marked.day AND settled
                AND state = 'completed' AND NOT is_test
        ) AS anonymous
        WHERE scored >= {MINIMUM}
    ) AS responses
    WHERE score IS NOT NULL
"""

# Who took part in an anonymous survey is known once that is settled, not before.
_INVITATIONS = """
    SELECT count(*) AS invitations, count(*) FILTER (WHERE answered AND settled) AS invitations_answered
    FROM survey_invitations
    WHERE workspace_id = $1 AND created_at >= marked.begins AND created_at < marked.ends
        AND delivery = 'sent' AND NOT is_test AND contact_id IS NOT NULL
"""

_LOOPS = """
    SELECT count(*) AS loops_opened, count(*) FILTER (WHERE state = 'done') AS loops_closed
    FROM followups
    WHERE workspace_id = $1 AND opened_at >= marked.begins AND opened_at < marked.ends
        AND origin_kind = 'survey_response' AND state <> 'cancelled'
"""

_CONTACTED = """
    SELECT count(*) AS loops_contacted,
        coalesce(sum(extract(epoch FROM contacted_at - opened_at)), 0) AS contact_seconds
    FROM followups
    WHERE workspace_id = $1 AND contacted_at >= marked.begins AND contacted_at < marked.ends
        AND origin_kind = 'survey_response'
"""

COUNT_DAYS = f"""
    INSERT INTO metric_days (workspace_id, day, {", ".join(DAY_FACTS)})
    SELECT $1, marked.day, {", ".join(DAY_FACTS)}
    FROM unnest($2::date[], $3::timestamptz[], $4::timestamptz[]) AS marked (day, begins, ends)
    CROSS JOIN LATERAL ({_TOUCHPOINTS}) AS touched
    CROSS JOIN LATERAL ({_CONTACTS}) AS acquired
    CROSS JOIN LATERAL ({_SCORES}) AS scored
    CROSS JOIN LATERAL ({_INVITATIONS}) AS invited
    CROSS JOIN LATERAL ({_LOOPS}) AS opened
    CROSS JOIN LATERAL ({_CONTACTED}) AS contacted
    ON CONFLICT (workspace_id, day) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in DAY_FACTS)}
"""

EXTENT = """
    SELECT min(first) AS first, max(last) AS last, min(first_day) AS first_day, max(last_day) AS last_day
    FROM (
        SELECT min(occurred_at) AS first, max(occurred_at) AS last, NULL::date AS first_day,
            NULL::date AS last_day
        FROM touchpoints WHERE workspace_id = $1 AND deleted_at IS NULL
        UNION ALL
        SELECT min(acquired_at), max(acquired_at), NULL, NULL FROM contacts WHERE workspace_id = $1
        UNION ALL
        SELECT min(answered_at), max(answered_at), NULL, NULL FROM survey_responses WHERE workspace_id = $1
        UNION ALL
        SELECT NULL, NULL, min(answered_on), max(answered_on)
        FROM survey_responses WHERE workspace_id = $1 AND answered_at IS NULL
        UNION ALL
        SELECT min(created_at), max(created_at), NULL, NULL FROM survey_invitations WHERE workspace_id = $1
        UNION ALL
        SELECT min(opened_at), max(opened_at), NULL, NULL FROM followups WHERE workspace_id = $1
        UNION ALL
        SELECT NULL, max(contacted_at), NULL, NULL FROM followups WHERE workspace_id = $1
    ) AS each
"""

FIRST_DAY = f"""
    SELECT min(day) FROM metric_days WHERE workspace_id = $1 AND greatest({", ".join(DAY_FACTS)}) > 0
"""
