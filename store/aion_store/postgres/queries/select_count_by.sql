-- How many workflows match by a column. where: text of visibility_sql.py with its parameters; by: the column.
select {by}, count(*) from {generation}.workflows as w where w.workflow_type is not null and ({where}) group by {by}
