"""What is generated for others."""
