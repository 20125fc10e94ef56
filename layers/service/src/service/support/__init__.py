"""From the support code that a person quotes to the decision behind it."""
