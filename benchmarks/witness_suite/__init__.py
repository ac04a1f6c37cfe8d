"""Cases and measurements for verdicts by prediction: exact symmetries of physics, attacks, polynomial dynamics."""
