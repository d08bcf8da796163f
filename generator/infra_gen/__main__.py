"""`python -m infra_gen`."""

from infra_gen.cli.main import main

main()
