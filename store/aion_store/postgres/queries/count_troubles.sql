-- How many workflows are in quarantine, and how many records were rejected. Index: workflows_quarantined.
select
    (select count(*) from {generation}.workflows where quarantined is not null),
    (select count(*) from {generation}.rejected_records)
