"""How each engine uses a machine: one module an engine, behind one protocol."""
