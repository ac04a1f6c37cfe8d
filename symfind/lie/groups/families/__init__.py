"""The families of groups that the catalogue lists."""
