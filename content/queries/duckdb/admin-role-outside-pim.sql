-- 2a7c9e6d-84c1-4b0a-8d7c-52f1b2a7d111 admin-role-outside-pim: Administrator role assigned outside Privileged Identity Management
-- a row for each id
WITH hits AS (
  SELECT
    *
  FROM audit
  WHERE
    LOWER("category") = 'rolemanagement'
    AND LOWER("operationType") = 'assign'
    AND EXISTS(
      SELECT
        1
      FROM UNNEST("entra.role.name") AS held(value)
      WHERE
        STRPOS(LOWER(held.value), 'admin') > 0
    )
    AND (
      NOT COALESCE(LOWER("initiatedBy.app.displayName") = 'ms-pim', FALSE)
      OR "initiatedBy.user.id" <> ''
      OR "initiatedBy.user.userPrincipalName" <> ''
    )
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
  ARRAY_AGG(DISTINCT "entra.target.user.name") AS "entra.target.user.name",
  ARRAY_AGG(DISTINCT "entra.target.name") AS "entra.target.name",
  ARRAY_AGG(DISTINCT "entra.target.type") AS "entra.target.type",
  ARRAY_AGG(DISTINCT ARRAY_TO_STRING("entra.role.name", ', ')) AS "entra.role.name",
  ARRAY_AGG(DISTINCT "result") AS "result",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName"
FROM hits
GROUP BY
  LOWER("id")
