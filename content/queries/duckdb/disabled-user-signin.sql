-- 0e6d2b60-2c70-49a3-8d3c-52f1b2a7d106 disabled-user-signin: Sign-in attempt to a disabled account
-- users: how many different accounts within the hour make a finding
-- a row for each ipAddress, appDisplayName, userAgent and each window of 1h, one each 15m, that reached the threshold; its rows of overlapping windows are one finding, as entrawatch hunt tells them
WITH parameters AS (
  SELECT
    1 AS "users"
), hits AS (
  SELECT
    signin.*,
    TO_TIMESTAMP((
      FLOOR(EPOCH("@timestamp") / 900) + 1 + step
    ) * 900) AS window_end
  FROM signin
  CROSS JOIN GENERATE_SERIES(0, 3) AS steps(step)
  WHERE
    "status.errorCode" = 50057
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
  'medium' AS level,
  COUNT(DISTINCT NULLIF(LOWER("userPrincipalName"), '')) AS "distinct userPrincipalName",
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "userPrincipalName") AS "userPrincipalName",
  ARRAY_AGG(DISTINCT "clientAppUsed") AS "clientAppUsed",
  ARRAY_AGG(DISTINCT "location.countryOrRegion") AS "location.countryOrRegion"
FROM found
GROUP BY
  LOWER("ipAddress"),
  LOWER("appDisplayName"),
  LOWER("userAgent"),
  window_end
