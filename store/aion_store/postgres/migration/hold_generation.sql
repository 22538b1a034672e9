-- Waits until nobody applies, and keeps new ones waiting in their turn; reads go on.
lock table {control}.generation in exclusive mode
