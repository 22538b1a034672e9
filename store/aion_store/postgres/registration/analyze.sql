-- Fills the statistics of workflows at once.
analyze {generation}.workflows
