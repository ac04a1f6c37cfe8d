"""The verbs as functions: one file a verb, with its options."""
