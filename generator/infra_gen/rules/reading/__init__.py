"""Readers: the text of one kind of file to neutral records. No rule lives here."""
