-- Keeps every process from announcing itself until this transaction ends; reads go on.
lock table {control}.processes in exclusive mode
