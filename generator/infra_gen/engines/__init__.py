"""One module an engine: Plan to Services, each value with its reason."""
