"""Archives of the log's beginning: writing them, their signed note, and opening the one that the settings name."""
