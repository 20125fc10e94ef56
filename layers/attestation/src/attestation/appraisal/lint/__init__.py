"""What is wrong with an appraisal policy, said before it is published."""
