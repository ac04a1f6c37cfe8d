"""Problems whose symmetry algebras are known exactly, and what a program says about them."""
