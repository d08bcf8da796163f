"""What this machine is: programs asked and files read in one place, pure parsers for what they say."""
