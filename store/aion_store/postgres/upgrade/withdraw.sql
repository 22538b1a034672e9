-- A process has ended. Parameter: its id.
delete from {control}.processes where id = %(id)s
