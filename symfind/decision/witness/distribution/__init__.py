"""Whether a distribution is kept by finite elements of a group: judges that have fitted nothing (DESIGN §9)."""
