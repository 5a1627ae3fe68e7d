"""The contracts of every store, written once over a driver, and the interface of a driver."""
