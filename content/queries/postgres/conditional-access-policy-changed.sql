-- a9f0c3d4-0c52-4d6b-8b29-52f1b2a7d116 conditional-access-policy-changed: Conditional Access policy changed
-- a row for each id
WITH hits AS (
  SELECT
    *
  FROM audit
  WHERE
    LOWER("activityDisplayName") = 'update conditional access policy'
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
          FROM UNNEST("entra.policy.exclusions_added") AS held(value)
          WHERE
            held.value <> ''
        )
        THEN 1
        ELSE 0
      END
    ) = 1
    THEN 'medium'
    ELSE 'low'
  END AS level,
  COUNT(DISTINCT "event.id") AS events,
  ARRAY_AGG(DISTINCT "event.id") AS event_ids,
  ARRAY_AGG(DISTINCT "entra.initiator.name") AS "entra.initiator.name",
  ARRAY_AGG(DISTINCT "entra.policy.name") AS "entra.policy.name",
  ARRAY_AGG(DISTINCT ARRAY_TO_STRING("entra.policy.exclusions_added", ', ')) AS "entra.policy.exclusions_added",
  ARRAY_AGG(DISTINCT "entra.policy.old_conditions") AS "entra.policy.old_conditions",
  ARRAY_AGG(DISTINCT "entra.policy.new_conditions") AS "entra.policy.new_conditions",
  ARRAY_AGG(DISTINCT "entra.policy.old_state") AS "entra.policy.old_state",
  ARRAY_AGG(DISTINCT "entra.policy.new_state") AS "entra.policy.new_state",
  ARRAY_AGG(DISTINCT "initiatedBy.user.userPrincipalName") AS "initiatedBy.user.userPrincipalName"
FROM hits
GROUP BY
  LOWER("id")
