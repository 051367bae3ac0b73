"""What earlier releases wrote, and that this build goes on from it."""
