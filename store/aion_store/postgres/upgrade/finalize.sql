-- Raises the finalized version of the record format; no row where it is as high already.
update {control}.record_format set finalized = %(version)s, finalized_at = now() where finalized < %(version)s
