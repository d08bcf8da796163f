"""How the engine tables are made: from the engines' own releases, without running an engine."""
