-- The version of the tables: the highest migration applied.
select max(version) as version from {control}.migrations
