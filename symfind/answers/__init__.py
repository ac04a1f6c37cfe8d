"""From a finding to a document."""
