"""How verified claims and signals are judged, and what the judgement says."""
