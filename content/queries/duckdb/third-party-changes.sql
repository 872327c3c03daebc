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
    "@timestamp" AS partner_time,
    "event.id" AS partner_id
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
    GREATEST("@timestamp", partner_time) AS last_time,
    partner_id
  FROM event
  JOIN partner
    ON LOWER("correlationId") = partner_key
  WHERE
    TO_TIMESTAMP((
      FLOOR(EPOCH(GREATEST("@timestamp", partner_time)) / 900) + 1
    ) * 900) - INTERVAL '86400' SECOND <= LEAST("@timestamp", partner_time)
), evidence AS (
  SELECT
    *
  FROM (
    SELECT
      "id",
      "activityDisplayName",
      "entra.initiator.name",
      "entra.target.name",
      "category",
      "correlationId",
      "initiatedBy.user.userPrincipalName",
      "ipAddress",
      "window_start",
      "window_end",
      "first_time",
      "last_time",
      "@timestamp",
      "event.id",
      "event.id" AS own_id
    FROM hits
    UNION ALL
    SELECT
      "id",
      NULL AS "activityDisplayName",
      NULL AS "entra.initiator.name",
      NULL AS "entra.target.name",
      NULL AS "category",
      NULL AS "correlationId",
      NULL AS "initiatedBy.user.userPrincipalName",
      NULL AS "ipAddress",
      NULL AS "window_start",
      NULL AS "window_end",
      NULL AS "first_time",
      NULL AS "last_time",
      NULL AS "@timestamp",
      "event.id",
      NULL AS own_id
    FROM (
      SELECT DISTINCT
        "id",
        partner_id AS "event.id"
      FROM hits
    ) AS earlier
  ) AS events
)
SELECT
  MIN("id") AS "id",
  MIN(window_start) AS window_start,
  MAX(window_end) AS window_end,
  MIN("first_time") AS first_event,
  MAX("last_time") AS last_event,
  'medium' AS level,
  ARRAY_AGG(DISTINCT own_id) AS own_ids,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "activityDisplayName") AS "activityDisplayName",
  ARRAY_AGG(DISTINCT "entra.initiator.name") AS "entra.initiator.name",
  ARRAY_AGG(DISTINCT "entra.target.name") AS "entra.target.name",
  ARRAY_AGG(DISTINCT "category") AS "category",
  ARRAY_AGG(DISTINCT "correlationId") AS "correlationId",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName",
  ARRAY_AGG(DISTINCT "ipAddress") AS "ipAddress"
FROM evidence
GROUP BY
  LOWER("id")
