-- 7a3b9c1e-2e57-4a74-9a5c-52f1b2a7d105 mfa-failures: The second factor fails more than once
-- attempts: how many failed second factors within the hour make a finding
-- a row for each userPrincipalName, ipAddress, appDisplayName, userAgent and each window of 1h, one each 5m, that reached the threshold; its rows of overlapping windows are one finding, as entrawatch hunt tells them
WITH parameters AS (
  SELECT
    2 AS "attempts"
), hits AS (
  SELECT
    signin.*,
    TO_TIMESTAMP((
      FLOOR(EPOCH("@timestamp") / 300) + 1 + step
    ) * 300) AS window_end
  FROM signin
  CROSS JOIN GENERATE_SERIES(0, 11) AS steps(step)
  WHERE
    "status.errorCode" = 500121
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
  'medium' AS level,
  COUNT(DISTINCT "event.id") AS "attempts",
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "status.additionalDetails") AS "status.additionalDetails",
  ARRAY_AGG(DISTINCT "clientAppUsed") AS "clientAppUsed",
  ARRAY_AGG(DISTINCT "location.countryOrRegion") AS "location.countryOrRegion",
  ARRAY_AGG(DISTINCT "deviceDetail.displayName") AS "deviceDetail.displayName"
FROM found
GROUP BY
  LOWER("userPrincipalName"),
  LOWER("ipAddress"),
  LOWER("appDisplayName"),
  LOWER("userAgent"),
  window_end
