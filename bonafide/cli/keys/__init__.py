"""bonafide device-key and signing-key: keys of app instances, and the keys that the stack signs with."""
