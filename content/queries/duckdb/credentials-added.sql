-- 9b3d7f7e-3a5f-4d8c-9a7e-52f1b2a7d110 credentials-added: Credentials added to an application that has some
-- a row for each id
WITH hits AS (
  SELECT
    *
  FROM audit
  WHERE
    (
      (
        LEFT(LOWER("activityDisplayName"), 18) = 'update application'
        AND STRPOS(LOWER("activityDisplayName"), 'certificates and secrets management') > 0
      )
      OR LOWER("activityDisplayName") = 'add service principal credentials'
    )
    AND "entra.credentials.growth" >= 1
    AND "entra.credentials.old" >= 1
)
SELECT
  MIN("id") AS "id",
  MIN("@timestamp") AS window_start,
  MAX("@timestamp") AS window_end,
  MIN("@timestamp") AS first_event,
  MAX("@timestamp") AS last_event,
  'high' AS level,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "entra.initiator.name") AS "entra.initiator.name",
  ARRAY_AGG(DISTINCT "entra.target.app.name") AS "entra.target.app.name",
  ARRAY_AGG(DISTINCT "entra.target.app.id") AS "entra.target.app.id",
  ARRAY_AGG(DISTINCT "entra.credentials.old") AS "entra.credentials.old",
  ARRAY_AGG(DISTINCT "entra.credentials.new") AS "entra.credentials.new",
  ARRAY_AGG(DISTINCT ARRAY_TO_STRING("entra.credentials.added", ', ')) AS "entra.credentials.added",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName"
FROM hits
GROUP BY
  LOWER("id")
