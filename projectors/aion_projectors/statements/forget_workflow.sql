-- Removes every row of one workflow and counts it no more; what was noted of its records that no table took goes as well.
-- Parameters: partition, workflow_id; offsets: those of all its records. Indexes: the tables' primary keys,
-- workflow_counts' among them, and children_by_parent.
with
    events as (delete from {generation}.events where partition = %(partition)s and workflow_id = %(workflow_id)s),
    workflows as (
        delete from {generation}.workflows where partition = %(partition)s and workflow_id = %(workflow_id)s
        returning workflow_type, status
    ),
    counts as (
        update {generation}.workflow_counts as c set workflows = c.workflows - 1 from workflows as w
        where c.partition = %(partition)s and c.workflow_type = w.workflow_type and c.status = w.status
    ),
    timer_calls as (
        delete from {generation}.timer_calls where partition = %(partition)s and workflow_id = %(workflow_id)s
    ),
    runs as (delete from {generation}.runs where partition = %(partition)s and workflow_id = %(workflow_id)s),
    activities as (
        delete from {generation}.activities where partition = %(partition)s and workflow_id = %(workflow_id)s
    ),
    timers as (delete from {generation}.timers where partition = %(partition)s and workflow_id = %(workflow_id)s),
    claims as (delete from {generation}.children where parent_id = %(workflow_id)s and partition = %(partition)s)
delete from {generation}.rejected_records
where log = 'events' and partition = %(partition)s and record_offset = any(%(offsets)s::bigint[])
