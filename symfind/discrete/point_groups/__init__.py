"""Point groups in any orientation: the catalogue, the search for an orientation, and the judgement by prediction."""
