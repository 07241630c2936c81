"""What the product does, told as tests, in the order of its flow."""
