"""The log: events as bytes (`codec`), records as framed (`record`) and grouped (`appends`)."""
