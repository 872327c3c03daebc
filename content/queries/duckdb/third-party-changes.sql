-- e3d27b0b-6f7c-4e7f-8a15-52f1b2a7d113 third-party-changes: Directory change by an account of another tenant
WITH event AS (
  SELECT
    *
  FROM audit
  WHERE
    LOWER("result") = 'success' AND "correlationId" <> ''
), partner AS (
  SELECT DISTINCT
    LOWER("correlationId") AS partner_key,
    "@timestamp" AS partner_time
  FROM signin
  WHERE
    (
      "homeTenantId" <> ''
      AND NOT COALESCE(LOWER("homeTenantId") = LOWER("resourceTenantId") AND "homeTenantId" <> '', FALSE)
    )
    AND "correlationId" <> ''
), hits AS (
  SELECT
    event.*,
    TO_TIMESTAMP((
      FLOOR(EPOCH(GREATEST("@timestamp", partner_time)) / 900) + 1
    ) * 900) AS window_end,
    TO_TIMESTAMP((
      FLOOR(EPOCH(GREATEST("@timestamp", partner_time)) / 900) + 1
    ) * 900) - INTERVAL '86400' SECOND AS window_start,
    LEAST("@timestamp", partner_time) AS first_time,
    GREATEST("@timestamp", partner_time) AS last_time
  FROM event
  JOIN partner
    ON LOWER("correlationId") = partner_key
  WHERE
    TO_TIMESTAMP((
      FLOOR(EPOCH(GREATEST("@timestamp", partner_time)) / 900) + 1
    ) * 900) - INTERVAL '86400' SECOND <= LEAST("@timestamp", partner_time)
)
SELECT
  MIN("id") AS "id",
  MIN(window_start) AS window_start,
  MAX(window_end) AS window_end,
  MIN("first_time") AS first_event,
  MAX("last_time") AS last_event,
  'medium' AS level,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "activityDisplayName") AS "activityDisplayName",
  ARRAY_AGG(DISTINCT "entra.initiator.name") AS "entra.initiator.name",
  ARRAY_AGG(DISTINCT "entra.target.name") AS "entra.target.name",
  ARRAY_AGG(DISTINCT "category") AS "category",
  ARRAY_AGG(DISTINCT "correlationId") AS "correlationId",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName",
  ARRAY_AGG(DISTINCT "ipAddress") AS "ipAddress"
FROM hits
GROUP BY
  LOWER("id")
