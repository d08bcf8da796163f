"""The rules themselves, one module each; `registry.py` names them."""
