"""The shared log: entries, the contract, the embedded journal, and the links that follow it."""
