"""From evidence to a finding: what is certified, and by what."""
