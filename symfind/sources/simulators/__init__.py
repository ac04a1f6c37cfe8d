"""Solutions of differential equations on periodic grids, by Fourier series in space."""
