-- How many workflows match a condition on status and type, from the counters. where: as in select_count.
select coalesce(sum(w.workflows), 0)::bigint from {generation}.workflow_counts as w where ({where})
