-- Removes processes that weren't seen for a day; rows that another process removes are left to it.
delete from {control}.processes where id in (
    select id from {control}.processes where seen_at < now() - interval '1 day' for update skip locked
)
