"""Maps between fields on a grid."""
