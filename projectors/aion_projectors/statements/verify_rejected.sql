-- What was noted of records that no table can take. Index: rejected_records' primary key.
select record_offset, reason from {generation}.rejected_records where log = %(log)s and partition = %(partition)s
