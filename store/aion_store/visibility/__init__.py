"""Finding workflows: filters as values and as text, what they mean, pages and cursors. Pure; every store shares it."""
