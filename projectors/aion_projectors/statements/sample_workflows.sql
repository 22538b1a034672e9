-- Some workflows of a partition, taken at random.
select workflow_id from {generation}.workflows where partition = %(partition)s order by random() limit %(size)s
