-- Tie children to parents, whichever came first: written children to any parent, any child to added parents.
WITH pairs AS (
    SELECT child.id AS child_id, parent.id AS parent_id
    FROM activities AS child
    JOIN activities AS parent
      ON parent.tenant_id = child.tenant_id AND parent.platform = child.platform
     AND parent.type = child.source_parent_type AND parent.source_id = child.source_parent_id
    WHERE child.id = ANY(:children)
    UNION
    SELECT child.id, parent.id
    FROM activities AS parent
    JOIN activities AS child
      ON child.tenant_id = parent.tenant_id AND child.platform = parent.platform
     AND child.source_parent_id = parent.source_id AND child.source_parent_type = parent.type
     AND child.parent_id IS NULL
    WHERE parent.id = ANY(:parents)
), ordered AS (
    SELECT child.id, pairs.parent_id
    FROM activities AS child
    JOIN pairs ON pairs.child_id = child.id
    WHERE child.parent_id IS DISTINCT FROM pairs.parent_id
    ORDER BY child.id
    FOR UPDATE OF child
)
UPDATE activities SET parent_id = ordered.parent_id FROM ordered WHERE activities.id = ordered.id
