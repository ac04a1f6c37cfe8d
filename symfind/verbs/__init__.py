"""The verbs as functions: one file a verb."""
