"""One module a rule, one explicit registry."""
