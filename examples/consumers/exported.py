"""Ask the Parquet files of an export: how many workflows of each type ended how, and how long activities took.

    aion-store export DIRECTORY --format parquet
    python exported.py DIRECTORY

It needs duckdb and nothing of aion-store.
"""

import sys

import duckdb

ENDS = """
with started as (
    select workflow_id, last(workflow_type order by seq) as workflow_type
    from events where kind = 'WorkflowStarted' group by workflow_id
), ended as (
    select workflow_id, last(kind order by seq) as kind
    from events
    where kind in ('WorkflowCompleted', 'WorkflowFailed', 'WorkflowCancelled', 'WorkflowTimedOut')
    group by workflow_id
)
select workflow_type, coalesce(kind, 'open') as ended, count(*) as workflows
from started left join ended using (workflow_id)
group by all order by all
"""

TOOK = """
select scheduled.activity_type, count(*) as activities,
       avg(epoch(completed.recorded_at - scheduled.recorded_at)) as seconds
from events as scheduled
join events as completed
  on completed.workflow_id = scheduled.workflow_id and completed.activity_id = scheduled.activity_id
 and completed.kind = 'ActivityCompleted'
where scheduled.kind = 'ActivityScheduled'
group by all order by all
"""

FAILURES = """
select body->>'$.data.error.message' as message, count(*) as times
from events where kind = 'WorkflowFailed' group by all order by times desc, message
"""


def main(directory):
    connection = duckdb.connect()
    files = connection.read_parquet(f"{directory}/*.parquet")
    connection.register("events", files)
    for title, question in (("ends", ENDS), ("activities", TOOK), ("failures", FAILURES)):
        print(title)
        for row in connection.sql(question).fetchall():
            print("  ", *row, sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
