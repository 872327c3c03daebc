-- 6c2f8d8e-5b1a-4c28-8f2a-52f1b2a7d114 application-added: Application registered
-- a row for each id
WITH hits AS (
  SELECT
    *
  FROM audit
  WHERE
    LOWER("activityDisplayName") = 'add application'
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
  ARRAY_AGG(DISTINCT "entra.target.app.name") AS "entra.target.app.name",
  ARRAY_AGG(DISTINCT "entra.target.app.id") AS "entra.target.app.id",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName"
FROM hits
GROUP BY
  LOWER("id")
