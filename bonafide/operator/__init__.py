"""What an operator does to a stack, local or in AWS."""
