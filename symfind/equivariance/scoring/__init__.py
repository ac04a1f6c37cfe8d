"""How well a model obeys a group: along generators, by degree and part, and layer by layer."""
