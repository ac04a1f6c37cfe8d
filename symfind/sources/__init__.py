"""What F is: data, trained models and fits, each read in chunks."""
