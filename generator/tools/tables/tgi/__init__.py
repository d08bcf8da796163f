"""Reading releases of tgi."""
