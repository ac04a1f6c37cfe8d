"""Solutions of differential equations: the equation, and its point symmetries."""
