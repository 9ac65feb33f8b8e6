"""What the subcommands do; imported by cli.py only when one is run, so that `--help` is quick."""
