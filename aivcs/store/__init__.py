"""What every store is: the contracts written once over a driver, and what a driver must supply."""
