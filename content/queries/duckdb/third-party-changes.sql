-- e3d27b0b-6f7c-4e7f-8a15-52f1b2a7d113 third-party-changes: Directory change by an account of another tenant
-- a row for each id
WITH event AS (
  SELECT
    *
  FROM audit
  WHERE
    LOWER("result") = 'success' AND "correlationId" <> ''
), partner AS (
  SELECT
    partner_key,
    partner_time,
    partner_id,
    ROW_NUMBER() OVER (PARTITION BY partner_key ORDER BY partner_time, partner_id) AS place
  FROM (
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
  ) AS partners
), pairs AS (
  SELECT
    "event.id" AS pair_id,
    MAX(
      TO_TIMESTAMP((
        FLOOR(EPOCH(GREATEST("@timestamp", partner_time)) / 900) + 1
      ) * 900)
    ) AS window_end,
    MIN(
      TO_TIMESTAMP((
        FLOOR(EPOCH(GREATEST("@timestamp", partner_time)) / 900) + 1
      ) * 900) - INTERVAL '86400' SECOND
    ) AS window_start,
    MIN(LEAST("@timestamp", partner_time)) AS first_time,
    MAX(GREATEST("@timestamp", partner_time)) AS last_time,
    MIN(place) AS first_place,
    MAX(place) AS last_place,
    COUNT(*) AS others
  FROM event
  JOIN partner
    ON LOWER("correlationId") = partner_key
  WHERE
    TO_TIMESTAMP((
      FLOOR(EPOCH(GREATEST("@timestamp", partner_time)) / 900) + 1
    ) * 900) - INTERVAL '86400' SECOND <= LEAST("@timestamp", partner_time)
  GROUP BY
    "event.id"
), hits AS (
  SELECT
    event.*,
    window_end,
    window_start,
    first_time,
    last_time,
    first_place,
    last_place,
    others
  FROM event
  JOIN pairs
    ON "event.id" = pair_id
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
      "others",
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
      NULL AS "others",
      NULL AS "@timestamp",
      "event.id",
      NULL AS own_id
    FROM (
      SELECT DISTINCT
        "id",
        partner_id AS "event.id"
      FROM hits
      JOIN partner
        ON LOWER("correlationId") = partner_key
        AND place BETWEEN first_place AND last_place
        AND (
          place < first_place + 99 OR place = last_place
        )
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
  COUNT(DISTINCT own_id) + MAX(others) AS events,
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
