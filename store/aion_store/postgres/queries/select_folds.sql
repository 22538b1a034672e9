-- The version of the folds that the live tables were made by; 1 in tables that don't say so yet. One row.
select coalesce((to_jsonb(g) ->> 'folds')::integer, 1) as folds from {control}.generation as g
