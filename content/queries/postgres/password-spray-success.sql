-- 1c7b1f7e-4f0d-4f0d-8d11-52f1b2a7d103 password-spray-success: Password spray followed by a successful sign-in
-- users: how many different accounts within the hour make a spray
WITH parameters AS (
  SELECT
    5 AS "users"
), hits AS (
  SELECT
    signin.*,
    TO_TIMESTAMP(
      (
        FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 300) + 1 + step
      ) * 300
    ) AS window_end
  FROM signin
  CROSS JOIN GENERATE_SERIES(0, 11) AS steps(step)
  WHERE
    "status.errorCode" = 50126
    AND "ipAddress" <> ''
    AND "appDisplayName" <> ''
    AND "userAgent" <> ''
), reached AS (
  SELECT
    LOWER(MIN("ipAddress")) AS same_0,
    ARRAY_AGG(LOWER("userPrincipalName")) AS tried,
    MIN("@timestamp") AS first_time,
    MAX("@timestamp") AS last_time
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
), following AS (
  SELECT
    signin.*,
    first_time
  FROM signin
  JOIN reached
    ON LOWER("ipAddress") = same_0
    AND "@timestamp" > last_time
    AND "@timestamp" <= last_time + INTERVAL '86400 SECOND'
    AND CASE
      WHEN LOWER("userPrincipalName") IS NULL
      THEN NULL
      ELSE COALESCE(LOWER("userPrincipalName") = ANY(
        tried
      ), FALSE)
    END
    AND "userPrincipalName" <> ''
  WHERE
    "status.errorCode" = 0
)
SELECT
  MIN("ipAddress") AS "ipAddress",
  MIN("userPrincipalName") AS "userPrincipalName",
  MIN(
    TO_TIMESTAMP(
      (
        FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 900) + 1
      ) * 900
    ) - INTERVAL '86400 SECOND'
  ) AS window_start,
  MAX(
    TO_TIMESTAMP(
      (
        FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 900) + 1
      ) * 900
    )
  ) AS window_end,
  MIN("first_time") AS first_event,
  MAX("@timestamp") AS last_event,
  'critical' AS level,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "appDisplayName") AS "appDisplayName",
  ARRAY_AGG(DISTINCT "resourceDisplayName") AS "resourceDisplayName",
  ARRAY_AGG(DISTINCT "conditionalAccessStatus") AS "conditionalAccessStatus",
  ARRAY_AGG(DISTINCT "authenticationRequirement") AS "authenticationRequirement",
  ARRAY_AGG(DISTINCT "userAgent") AS "userAgent",
  ARRAY_AGG(DISTINCT "location.countryOrRegion") AS "location.countryOrRegion"
FROM following
GROUP BY
  LOWER("ipAddress"),
  LOWER("userPrincipalName"),
  TO_TIMESTAMP(
    (
      FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 900) + 1
    ) * 900
  )
