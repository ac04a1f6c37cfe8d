"""Files that are not plain HDF5, read as what the HDF5 layout would hold."""
