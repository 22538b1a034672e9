-- Lets filters use an attribute whose index is made.
insert into {control}.search_attributes (name, type) values (%(name)s, %(type)s) on conflict (name) do nothing
