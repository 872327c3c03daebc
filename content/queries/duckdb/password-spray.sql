-- 8d0a3a52-0f3f-4a50-8f2a-52f1b2a7d102 password-spray: Password spray from one address
-- users: how many different accounts within the hour make a finding
-- a row for each ipAddress, appDisplayName, userAgent and each window of 1h, one each 5m, that reached the threshold; its rows of overlapping windows are one finding, as entrawatch hunt tells them
WITH parameters AS (
  SELECT
    5 AS "users"
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
    AND "ipAddress" <> ''
    AND "appDisplayName" <> ''
    AND "userAgent" <> ''
), reached AS (
  SELECT
    LOWER("ipAddress") AS reached_0,
    LOWER("appDisplayName") AS reached_1,
    LOWER("userAgent") AS reached_2,
    window_end AS reached_end
  FROM hits
  GROUP BY
    LOWER("ipAddress"),
    LOWER("appDisplayName"),
    LOWER("userAgent"),
    window_end
  HAVING
    COUNT(DISTINCT NULLIF(LOWER("userPrincipalName"), '')) >= (
      SELECT
        "users"
      FROM parameters
    )
), found AS (
  SELECT
    hits.*
  FROM hits
  JOIN reached
    ON LOWER("ipAddress") = reached_0
    AND LOWER("appDisplayName") = reached_1
    AND LOWER("userAgent") = reached_2
    AND window_end = reached_end
)
SELECT
  MIN("ipAddress") AS "ipAddress",
  MIN("appDisplayName") AS "appDisplayName",
  MIN("userAgent") AS "userAgent",
  MIN(window_end - INTERVAL '3600' SECOND) AS window_start,
  MAX(window_end) AS window_end,
  MIN("@timestamp") AS first_event,
  MAX("@timestamp") AS last_event,
  'high' AS level,
  COUNT(DISTINCT NULLIF(LOWER("userPrincipalName"), '')) AS "distinct userPrincipalName",
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "userPrincipalName") AS "userPrincipalName",
  ARRAY_AGG(DISTINCT "status.failureReason") AS "status.failureReason",
  ARRAY_AGG(DISTINCT "clientAppUsed") AS "clientAppUsed",
  ARRAY_AGG(DISTINCT "location.countryOrRegion") AS "location.countryOrRegion",
  ARRAY_AGG(DISTINCT "autonomousSystemNumber") AS "autonomousSystemNumber"
FROM found
GROUP BY
  LOWER("ipAddress"),
  LOWER("appDisplayName"),
  LOWER("userAgent"),
  window_end
