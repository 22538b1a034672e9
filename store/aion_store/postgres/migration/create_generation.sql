-- The schema of one generation of projected tables.
create schema {generation}
