-- 5d5e6a3a-2f5b-4a3a-8d5a-52f1b2a7d109 user-consent-to-application: User consented to an application
-- high_privilege_scopes: parts of scope names that make a consent urgent
-- a row for each id
WITH high_privilege_scopes AS (
  SELECT
    "item"
  FROM (
    SELECT
      'mail.' AS "item"
    UNION ALL
    SELECT
      'mailboxsettings.readwrite' AS "item"
    UNION ALL
    SELECT
      'files.read.all' AS "item"
    UNION ALL
    SELECT
      'files.readwrite.all' AS "item"
    UNION ALL
    SELECT
      'sites.fullcontrol.all' AS "item"
    UNION ALL
    SELECT
      'offline_access' AS "item"
    UNION ALL
    SELECT
      'full_access_as_app' AS "item"
    UNION ALL
    SELECT
      'full_access_as_user' AS "item"
    UNION ALL
    SELECT
      'directory.readwrite.all' AS "item"
    UNION ALL
    SELECT
      'rolemanagement.readwrite.directory' AS "item"
    UNION ALL
    SELECT
      'ews.accessasuser.all' AS "item"
  ) AS items
), hits AS (
  SELECT
    *
  FROM audit
  WHERE
    LOWER("activityDisplayName") = 'consent to application'
    AND "entra.consent.is_admin" = FALSE
)
SELECT
  MIN("id") AS "id",
  MIN("@timestamp") AS window_start,
  MAX("@timestamp") AS window_end,
  MIN("@timestamp") AS first_event,
  MAX("@timestamp") AS last_event,
  CASE
    WHEN MAX(
      CASE
        WHEN EXISTS(
          SELECT
            1
          FROM UNNEST("entra.consent.scopes") AS held(value)
          WHERE
            EXISTS(
              SELECT
                1
              FROM high_privilege_scopes
              WHERE
                POSITION("high_privilege_scopes"."item" IN LOWER(held.value)) > 0
            )
        )
        THEN 1
        ELSE 0
      END
    ) = 1
    THEN 'high'
    ELSE 'medium'
  END AS level,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "entra.initiator.name") AS "entra.initiator.name",
  ARRAY_AGG(DISTINCT "entra.target.app.name") AS "entra.target.app.name",
  ARRAY_AGG(DISTINCT "entra.target.app.id") AS "entra.target.app.id",
  ARRAY_AGG(DISTINCT ARRAY_TO_STRING("entra.consent.scopes", ', ')) AS "entra.consent.scopes",
  ARRAY_AGG(DISTINCT "entra.consent.type") AS "entra.consent.type",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName"
FROM hits
GROUP BY
  LOWER("id")
