"""launchd, natively on a Mac."""
