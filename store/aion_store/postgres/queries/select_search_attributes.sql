-- The registered search attributes; some tens of rows.
select name, type from {control}.search_attributes
