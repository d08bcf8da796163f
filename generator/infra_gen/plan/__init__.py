"""Pure planning: facts in, Plan out."""
