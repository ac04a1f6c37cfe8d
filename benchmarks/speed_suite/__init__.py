"""What `make profile`, `make bench`, `make bench-busy` measure, and where they write it."""
