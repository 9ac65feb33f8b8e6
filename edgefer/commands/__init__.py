"""The commands, one a module, with `add_parser` and `execute`; what is heavy is imported when one is run."""
