"""Subscriptions: what is asked for, where one begins, and the events that it hands out, from the log or from memory."""
