-- 4f9f5c1f-0f0d-43d7-9a0f-52f1b2a7d108 sync-account-abuse: Directory synchronisation account used by another application
-- a row for each id
WITH hits AS (
  SELECT
    *
  FROM signin
  WHERE
    LEFT(LOWER("userPrincipalName"), 5) = 'sync_'
    AND "appDisplayName" <> ''
    AND NOT COALESCE(LOWER("appDisplayName") = 'microsoft azure active directory connect', FALSE)
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
  ARRAY_AGG(DISTINCT "userPrincipalName") AS "userPrincipalName",
  ARRAY_AGG(DISTINCT "ipAddress") AS "ipAddress",
  ARRAY_AGG(DISTINCT "appDisplayName") AS "appDisplayName",
  ARRAY_AGG(DISTINCT "resourceDisplayName") AS "resourceDisplayName",
  ARRAY_AGG(DISTINCT "status.errorCode") AS "status.errorCode",
  ARRAY_AGG(DISTINCT "userAgent") AS "userAgent"
FROM hits
GROUP BY
  LOWER("id")
