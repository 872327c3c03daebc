-- 1c7b1f7e-4f0d-4f0d-8d11-52f1b2a7d103 password-spray-success: Password spray followed by a successful sign-in
-- users: how many different accounts within the hour make a spray
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
    LOWER(MIN("ipAddress")) AS same_0,
    LOWER("ipAddress") AS by_0,
    LOWER("appDisplayName") AS by_1,
    LOWER("userAgent") AS by_2,
    ARRAY_AGG(LOWER("userPrincipalName")) AS tried,
    MIN("@timestamp") AS first_time,
    MAX("@timestamp") AS last_time,
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
), following AS (
  SELECT
    signin.*,
    first_time,
    by_0,
    by_1,
    by_2,
    reached_end
  FROM signin
  JOIN reached
    ON LOWER("ipAddress") = same_0
    AND "@timestamp" > last_time
    AND "@timestamp" <= last_time + INTERVAL '86400' SECOND
    AND ARRAY_CONTAINS(tried, LOWER("userPrincipalName"))
    AND "userPrincipalName" <> ''
  WHERE
    "status.errorCode" = 0
), first_after AS (
  SELECT
    "ipAddress",
    "userPrincipalName",
    by_0,
    by_1,
    by_2,
    reached_end,
    TO_TIMESTAMP((
      FLOOR(EPOCH("@timestamp") / 900) + 1
    ) * 900) AS ends
  FROM (
    SELECT
      by_0,
      by_1,
      by_2,
      reached_end,
      MIN("ipAddress") AS "ipAddress",
      MIN("userPrincipalName") AS "userPrincipalName",
      MIN("@timestamp") AS "@timestamp"
    FROM following
    GROUP BY
      LOWER("ipAddress"),
      LOWER("userPrincipalName"),
      by_0,
      by_1,
      by_2,
      reached_end
  ) AS firsts
), evidence AS (
  SELECT
    *
  FROM (
    SELECT
      "ipAddress",
      "userPrincipalName",
      TO_TIMESTAMP((
        FLOOR(EPOCH("@timestamp") / 900) + 1
      ) * 900) AS ends,
      "appDisplayName",
      "resourceDisplayName",
      "conditionalAccessStatus",
      "authenticationRequirement",
      "userAgent",
      "location.countryOrRegion",
      "first_time",
      "@timestamp",
      "event.id",
      "event.id" AS own_id
    FROM following
    UNION ALL
    SELECT
      "ipAddress",
      "userPrincipalName",
      ends,
      NULL AS "appDisplayName",
      NULL AS "resourceDisplayName",
      NULL AS "conditionalAccessStatus",
      NULL AS "authenticationRequirement",
      NULL AS "userAgent",
      NULL AS "location.countryOrRegion",
      NULL AS "first_time",
      NULL AS "@timestamp",
      "event.id",
      NULL AS own_id
    FROM (
      SELECT DISTINCT
        "first_after"."ipAddress",
        "first_after"."userPrincipalName",
        first_after.ends,
        "hits"."event.id"
      FROM first_after
      JOIN hits
        ON LOWER(hits."ipAddress") = first_after.by_0
        AND LOWER(hits."appDisplayName") = first_after.by_1
        AND LOWER(hits."userAgent") = first_after.by_2
        AND hits.window_end = first_after.reached_end
    ) AS earlier
  ) AS events
)
SELECT
  MIN("ipAddress") AS "ipAddress",
  MIN("userPrincipalName") AS "userPrincipalName",
  MIN(ends - INTERVAL '86400' SECOND) AS window_start,
  MAX(ends) AS window_end,
  MIN("first_time") AS first_event,
  MAX("@timestamp") AS last_event,
  'critical' AS level,
  ARRAY_AGG(DISTINCT own_id) AS own_ids,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "appDisplayName") AS "appDisplayName",
  ARRAY_AGG(DISTINCT "resourceDisplayName") AS "resourceDisplayName",
  ARRAY_AGG(DISTINCT "conditionalAccessStatus") AS "conditionalAccessStatus",
  ARRAY_AGG(DISTINCT "authenticationRequirement") AS "authenticationRequirement",
  ARRAY_AGG(DISTINCT "userAgent") AS "userAgent",
  ARRAY_AGG(DISTINCT "location.countryOrRegion") AS "location.countryOrRegion"
FROM evidence
GROUP BY
  LOWER("ipAddress"),
  LOWER("userPrincipalName"),
  ends
