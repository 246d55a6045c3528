"""What looks after the environments between promotions."""
