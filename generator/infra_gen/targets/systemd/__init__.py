"""systemd, natively on Linux."""
