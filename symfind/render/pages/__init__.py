"""Parts of the HTML page: formulas, drawings, the page itself."""
