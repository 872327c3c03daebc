-- 0b7d4b7a-9d55-4f4b-9a41-52f1b2a7d115 guest-invited: Guest invited
-- a row for each id
WITH hits AS (
  SELECT
    *
  FROM audit
  WHERE
    LOWER("activityDisplayName") = 'invite external user'
)
SELECT
  MIN("id") AS "id",
  MIN("@timestamp") AS window_start,
  MAX("@timestamp") AS window_end,
  MIN("@timestamp") AS first_event,
  MAX("@timestamp") AS last_event,
  'informational' AS level,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "entra.initiator.name") AS "entra.initiator.name",
  ARRAY_AGG(DISTINCT "entra.target.user.name") AS "entra.target.user.name",
  ARRAY_AGG(DISTINCT "entra.target.name") AS "entra.target.name",
  ARRAY_AGG(DISTINCT "result") AS "result",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName"
FROM hits
GROUP BY
  LOWER("id")
