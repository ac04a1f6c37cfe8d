"""u_t = N(jet) without terms: N as a sum of products of polynomials of the jet coordinates."""
