-- As select_counted, by a column; nothing is counted as none.
select {by}, sum(w.workflows)::bigint
from {generation}.workflow_counts as w
where w.workflows > 0 and ({where})
group by {by}
