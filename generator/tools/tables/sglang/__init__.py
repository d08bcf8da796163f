"""Reading releases of SGLang."""
