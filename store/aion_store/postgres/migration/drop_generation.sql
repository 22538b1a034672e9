-- Removes a generation with all its tables.
drop schema if exists {generation} cascade
