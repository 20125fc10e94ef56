"""DynamoDB items: how large they are, what they cost, and records packed into them."""
