"""What requests cost in AWS: measured amounts times list prices."""
