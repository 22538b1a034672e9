-- Removes processes that weren't seen for a day.
delete from {control}.processes where seen_at < now() - interval '1 day'
