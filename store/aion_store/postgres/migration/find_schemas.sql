-- Which of our tables and schemas exist. Parameters: the control schema's and the first generation's name.
select
    to_regclass(quote_ident(%(schema)s::text) || '.migrations') is not null as migrated,
    to_regnamespace(quote_ident(%(generation)s::text)) is not null as generation_exists
