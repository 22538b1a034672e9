"""The log into tables: pure folds, the plan of a fetch, the transaction that applies it, and the Faust app around."""
