"""Several whole stacks on one machine as the regions of one service, and what copies rows between them."""
