"""From a document to a table, Markdown, HTML, SVG."""
