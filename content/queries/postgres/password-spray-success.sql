-- 1c7b1f7e-4f0d-4f0d-8d11-52f1b2a7d103 password-spray-success: Password spray followed by a successful sign-in
-- users: how many different accounts within the hour make a spray
-- a row for each ipAddress, userPrincipalName and each 15m in which it followed; its rows of overlapping windows are one finding, as entrawatch hunt tells them
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
    LOWER("ipAddress") AS by_0,
    LOWER("appDisplayName") AS by_1,
    LOWER("userAgent") AS by_2,
    ARRAY_AGG(DISTINCT LOWER("userPrincipalName")) AS tried,
    MIN("@timestamp") AS first_time,
    MAX("@timestamp") AS last_time,
    window_end AS reached_end,
    COUNT(DISTINCT "event.id") AS others
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
    reached_end,
    others
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
), led_by AS (
  SELECT
    "ipAddress",
    "userPrincipalName",
    by_0,
    by_1,
    by_2,
    reached_end,
    ends
  FROM (
    SELECT
      "ipAddress",
      "userPrincipalName",
      by_0,
      by_1,
      by_2,
      reached_end,
      TO_TIMESTAMP(
        (
          FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 900) + 1
        ) * 900
      ) AS ends,
      ROW_NUMBER() OVER (
        PARTITION BY LOWER("ipAddress"), LOWER("userPrincipalName"), TO_TIMESTAMP(
          (
            FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 900) + 1
          ) * 900
        )
        ORDER BY first_time, reached_end DESC NULLS LAST, by_0, by_1, by_2, reached_end
      ) AS place
    FROM following
  ) AS places
  WHERE
    place = 1
), first_hits AS (
  SELECT
    by_0,
    by_1,
    by_2,
    reached_end,
    "event.id"
  FROM (
    SELECT
      windows.by_0,
      windows.by_1,
      windows.by_2,
      windows.reached_end,
      "event.id",
      ROW_NUMBER() OVER (
        PARTITION BY windows.by_0, windows.by_1, windows.by_2, windows.reached_end
        ORDER BY "@timestamp", "event.id"
      ) AS place
    FROM hits
    JOIN (
      SELECT DISTINCT
        by_0,
        by_1,
        by_2,
        reached_end
      FROM led_by
    ) AS windows
      ON LOWER("ipAddress") = windows.by_0
      AND LOWER("appDisplayName") = windows.by_1
      AND LOWER("userAgent") = windows.by_2
      AND window_end = windows.reached_end
  ) AS places
  WHERE
    place <= 100
), evidence AS (
  SELECT
    *
  FROM (
    SELECT
      "ipAddress",
      "userPrincipalName",
      TO_TIMESTAMP(
        (
          FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 900) + 1
        ) * 900
      ) AS ends,
      "appDisplayName",
      "resourceDisplayName",
      "conditionalAccessStatus",
      "authenticationRequirement",
      "userAgent",
      "location.countryOrRegion",
      "first_time",
      "others",
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
      NULL AS "others",
      NULL AS "@timestamp",
      "event.id",
      NULL AS own_id
    FROM (
      SELECT DISTINCT
        "led_by"."ipAddress",
        "led_by"."userPrincipalName",
        led_by.ends,
        "first_hits"."event.id"
      FROM led_by
      JOIN first_hits
        ON led_by.by_0 = first_hits.by_0
        AND led_by.by_1 = first_hits.by_1
        AND led_by.by_2 = first_hits.by_2
        AND led_by.reached_end = first_hits.reached_end
    ) AS earlier
  ) AS events
)
SELECT
  MIN("ipAddress") AS "ipAddress",
  MIN("userPrincipalName") AS "userPrincipalName",
  MIN(ends - INTERVAL '86400 SECOND') AS window_start,
  MAX(ends) AS window_end,
  MIN("first_time") AS first_event,
  MAX("@timestamp") AS last_event,
  'critical' AS level,
  ARRAY_AGG(DISTINCT own_id) AS own_ids,
  COUNT(DISTINCT own_id) + MAX(others) AS events,
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
