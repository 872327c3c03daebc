-- c4b1f0a9-1d8e-4f36-9b0d-52f1b2a7d112 account-hijacking: Account taken over by self-service password reset and new security info
-- a row for each userPrincipalName, ipAddress and each window of 7d, one each 1h, that reached the threshold; its rows of overlapping windows are one finding, as entrawatch hunt tells them
-- organisation-networks (baselines/organisation-networks.yml in the catalogue): addresses, and their countries, from which on at least 2 days of the 7d before at least 2 persons a day signed in
-- the first 7d of sign-ins are judged by what they themselves hold; where there are no more, a row is no finding, and entrawatch hunt tells it apart as not judged
WITH hits AS (
  SELECT
    audit.*,
    TO_TIMESTAMP(
      (
        FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 3600) + 1 + step
      ) * 3600
    ) AS window_end
  FROM audit
  CROSS JOIN GENERATE_SERIES(0, 167) AS steps(step)
  WHERE
    (
      LOWER("result") = 'success'
      AND LOWER("activityDisplayName") IN (
        'reset password (self-service)',
        'self-service password reset flow activity progress',
        'user deleted security info',
        'user registered security info',
        'user started security info registration'
      )
    )
    AND "userPrincipalName" <> ''
    AND "ipAddress" <> ''
), begun AS (
  SELECT
    MIN("@timestamp") + INTERVAL '604800 SECOND' AS earliest
  FROM signin
), successes AS (
  SELECT
    LOWER("ipAddress") AS address,
    LOWER("location.countryOrRegion") AS country,
    LOWER("userPrincipalName") AS person,
    FLOOR(CAST(DATE_PART('epoch', "@timestamp") AS DOUBLE PRECISION) / 86400) AS day,
    "@timestamp" AS seen
  FROM signin
  WHERE
    "status.errorCode" = 0 AND "ipAddress" <> '' AND "userPrincipalName" <> ''
), learnt_addresses AS (
  SELECT
    people.*,
    ROW_NUMBER() OVER (PARTITION BY address, day ORDER BY first_seen) AS nth_first,
    ROW_NUMBER() OVER (PARTITION BY address, day ORDER BY last_seen DESC) AS nth_last
  FROM (
    SELECT
      address,
      person,
      day,
      MIN(seen) AS first_seen,
      MAX(seen) AS last_seen
    FROM successes
    GROUP BY
      address,
      person,
      day
  ) AS people
), busy_addresses AS (
  SELECT
    address,
    day,
    MAX(CASE WHEN nth_first = 2 THEN first_seen END) AS busy_since,
    MAX(CASE WHEN nth_last = 2 THEN last_seen END) + INTERVAL '604800 SECOND' AS busy_until
  FROM learnt_addresses
  GROUP BY
    address,
    day
  HAVING
    COUNT(*) >= 2
), known_addresses AS (
  SELECT
    address,
    since,
    until
  FROM (
    SELECT
      address,
      LEAD(busy_since, 1) OVER (PARTITION BY address ORDER BY day) AS since,
      busy_until AS until
    FROM busy_addresses
  ) AS spans
  WHERE
    since < until
), asked AS (
  SELECT
    hits.*,
    LOWER("ipAddress") AS asked_address,
    GREATEST(window_end, (
      SELECT
        earliest
      FROM begun
    )) AS moment
  FROM hits
), outside AS (
  SELECT
    asked.*
  FROM asked
  WHERE
    asked_address <> ''
    AND NOT EXISTS(
      SELECT
        1
      FROM known_addresses
      WHERE
        known_addresses.address = asked.asked_address
        AND known_addresses.since < asked.moment
        AND known_addresses.until >= asked.moment
    )
), reached AS (
  SELECT
    LOWER("userPrincipalName") AS reached_0,
    LOWER("ipAddress") AS reached_1,
    window_end AS reached_end
  FROM outside
  GROUP BY
    LOWER("userPrincipalName"),
    LOWER("ipAddress"),
    window_end
  HAVING
    COUNT(DISTINCT NULLIF(LOWER("activityDisplayName"), '')) >= 5
), found AS (
  SELECT
    outside.*
  FROM outside
  JOIN reached
    ON LOWER("userPrincipalName") = reached_0
    AND LOWER("ipAddress") = reached_1
    AND window_end = reached_end
)
SELECT
  MIN("userPrincipalName") AS "userPrincipalName",
  MIN("ipAddress") AS "ipAddress",
  MIN(window_end - INTERVAL '604800 SECOND') AS window_start,
  MAX(window_end) AS window_end,
  MIN("@timestamp") AS first_event,
  MAX("@timestamp") AS last_event,
  'high' AS level,
  COUNT(DISTINCT NULLIF(LOWER("activityDisplayName"), '')) AS "distinct activityDisplayName",
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "activityDisplayName") AS "activityDisplayName",
  ARRAY_AGG(DISTINCT "entra.target.user.name") AS "entra.target.user.name"
FROM found
GROUP BY
  LOWER("userPrincipalName"),
  LOWER("ipAddress"),
  window_end
