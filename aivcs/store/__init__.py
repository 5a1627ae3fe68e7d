"""What every store is: contracts, and what is written once for all backends."""
