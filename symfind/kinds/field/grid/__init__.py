"""Fields on a grid: their axes, their derivatives, and how they are moved."""
