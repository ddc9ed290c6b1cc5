"""What is kept on this machine beside the lake: locks, files that are replaced whole, and who may use them."""
