"""Random tables, views and indexes that refer to each other, and random ALTERs of them."""
