"""The subcommands of ``bonafide``, one module each."""
