-- b6f1f0a2-7d3f-4f5c-93b8-52f1b2a7d107 single-factor-from-new-network: Single-factor sign-in from a new network and country
-- a row for each id
-- organisation-networks (baselines/organisation-networks.yml in the catalogue): addresses, and their countries, from which on at least 2 days of the 7d before at least 2 persons a day signed in
-- the first 7d of sign-ins are judged by what they themselves hold; where there are no more, a row is no finding, and entrawatch hunt tells it apart as not judged
WITH hits AS (
  SELECT
    *
  FROM signin
  WHERE
    LOWER("authenticationRequirement") = 'singlefactorauthentication'
    AND "status.errorCode" = 0
    AND "isInteractive" = TRUE
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
), learnt_countries AS (
  SELECT
    people.*,
    ROW_NUMBER() OVER (PARTITION BY address, country, day ORDER BY first_seen) AS nth_first,
    ROW_NUMBER() OVER (PARTITION BY address, country, day ORDER BY last_seen DESC) AS nth_last
  FROM (
    SELECT
      address,
      country,
      person,
      day,
      MIN(seen) AS first_seen,
      MAX(seen) AS last_seen
    FROM successes
    WHERE
      country <> ''
    GROUP BY
      address,
      country,
      person,
      day
  ) AS people
), busy_countries AS (
  SELECT
    address,
    country,
    day,
    MAX(CASE WHEN nth_first = 2 THEN first_seen END) AS busy_since,
    MAX(CASE WHEN nth_last = 2 THEN last_seen END) + INTERVAL '604800 SECOND' AS busy_until
  FROM learnt_countries
  GROUP BY
    address,
    country,
    day
  HAVING
    COUNT(*) >= 2
), known_countries AS (
  SELECT
    country,
    since,
    until
  FROM (
    SELECT
      country,
      LEAD(busy_since, 1) OVER (PARTITION BY address, country ORDER BY day) AS since,
      busy_until AS until
    FROM busy_countries
  ) AS spans
  WHERE
    since < until
), asked AS (
  SELECT
    hits.*,
    LOWER("ipAddress") AS asked_address,
    LOWER("location.countryOrRegion") AS asked_country,
    GREATEST("@timestamp", (
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
    AND NOT EXISTS(
      SELECT
        1
      FROM known_countries
      WHERE
        known_countries.country = asked.asked_country
        AND known_countries.since < asked.moment
        AND known_countries.until >= asked.moment
    )
)
SELECT
  MIN("id") AS "id",
  MIN("@timestamp") AS window_start,
  MAX("@timestamp") AS window_end,
  MIN("@timestamp") AS first_event,
  MAX("@timestamp") AS last_event,
  'medium' AS level,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "userPrincipalName") AS "userPrincipalName",
  ARRAY_AGG(DISTINCT "ipAddress") AS "ipAddress",
  ARRAY_AGG(DISTINCT "location.countryOrRegion") AS "location.countryOrRegion",
  ARRAY_AGG(DISTINCT "location.city") AS "location.city",
  ARRAY_AGG(DISTINCT "autonomousSystemNumber") AS "autonomousSystemNumber",
  ARRAY_AGG(DISTINCT "appDisplayName") AS "appDisplayName",
  ARRAY_AGG(DISTINCT "clientAppUsed") AS "clientAppUsed",
  ARRAY_AGG(DISTINCT "userAgent") AS "userAgent",
  ARRAY_AGG(DISTINCT "conditionalAccessStatus") AS "conditionalAccessStatus"
FROM outside
GROUP BY
  LOWER("id")
