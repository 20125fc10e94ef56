"""The reference client: the wire contract in Python over ``devkit.client_core``, to judge the kit by."""
