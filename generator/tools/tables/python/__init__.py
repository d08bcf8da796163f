"""Reading Python sources without running them, for engines that are written in it."""
