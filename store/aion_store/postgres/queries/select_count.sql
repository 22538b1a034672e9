-- How many workflows match. where: text of visibility_sql.py with its parameters. Indexes: by the filter.
select count(*) from {generation}.workflows as w where w.workflow_type is not null and ({where})
