"""Pure folds, one kind of row each: (row or None, fact) → row or None. `aion_store.model` defines what they give."""
