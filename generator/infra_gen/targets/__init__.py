"""One module a target: Stack to FileTree, translation only."""
