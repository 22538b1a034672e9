"""Pure folds, one kind of row each: (row or None, fact) → row or None. `aion_store.model` defines what they give."""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
"""Raised whenever a fold gives other rows for the same events; tables, exports and golden outputs say which made them.

Tables that an older one made are told by `migrate` and the doctor until they are rebuilt.
"""
