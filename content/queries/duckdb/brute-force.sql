-- 3f0e5b0a-6c1f-4b0e-9a3e-52f1b2a7d101 brute-force: Brute force against one Entra ID account
-- attempts: how many failed attempts within the hour make a finding
-- a row for each userPrincipalName, ipAddress, appDisplayName, userAgent and each window of 1h, one each 5m, that reached the threshold; its rows of overlapping windows are one finding, as entrawatch hunt tells them
WITH parameters AS (
  SELECT
    5 AS "attempts"
), hits AS (
  SELECT
    signin.*,
    TO_TIMESTAMP((
      FLOOR(EPOCH("@timestamp") / 300) + 1 + step
    ) * 300) AS window_end
  FROM signin
  CROSS JOIN GENERATE_SERIES(0, 11) AS steps(step)
  WHERE
    "status.errorCode" = 50126
    AND "userPrincipalName" <> ''
    AND "ipAddress" <> ''
    AND "appDisplayName" <> ''
    AND "userAgent" <> ''
), reached AS (
  SELECT
    LOWER("userPrincipalName") AS reached_0,
    LOWER("ipAddress") AS reached_1,
    LOWER("appDisplayName") AS reached_2,
    LOWER("userAgent") AS reached_3,
    window_end AS reached_end
  FROM hits
  GROUP BY
    LOWER("userPrincipalName"),
    LOWER("ipAddress"),
    LOWER("appDisplayName"),
    LOWER("userAgent"),
    window_end
  HAVING
    COUNT(DISTINCT "event.id") >= (
      SELECT
        "attempts"
      FROM parameters
    )
), found AS (
  SELECT
    hits.*
  FROM hits
  JOIN reached
    ON LOWER("userPrincipalName") = reached_0
    AND LOWER("ipAddress") = reached_1
    AND LOWER("appDisplayName") = reached_2
    AND LOWER("userAgent") = reached_3
    AND window_end = reached_end
)
SELECT
  MIN("userPrincipalName") AS "userPrincipalName",
  MIN("ipAddress") AS "ipAddress",
  MIN("appDisplayName") AS "appDisplayName",
  MIN("userAgent") AS "userAgent",
  MIN(window_end - INTERVAL '3600' SECOND) AS window_start,
  MAX(window_end) AS window_end,
  MIN("@timestamp") AS first_event,
  MAX("@timestamp") AS last_event,
  CASE
    WHEN MAX(CASE WHEN LOWER("userAgent") = 'bav2ropc' THEN 1 ELSE 0 END) = 1
    THEN 'high'
    ELSE 'medium'
  END AS level,
  COUNT(DISTINCT "event.id") AS "attempts",
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "status.failureReason") AS "status.failureReason",
  ARRAY_AGG(DISTINCT "clientAppUsed") AS "clientAppUsed",
  ARRAY_AGG(DISTINCT "location.countryOrRegion") AS "location.countryOrRegion",
  ARRAY_AGG(DISTINCT "location.city") AS "location.city",
  ARRAY_AGG(DISTINCT "autonomousSystemNumber") AS "autonomousSystemNumber"
FROM found
GROUP BY
  LOWER("userPrincipalName"),
  LOWER("ipAddress"),
  LOWER("appDisplayName"),
  LOWER("userAgent"),
  window_end
