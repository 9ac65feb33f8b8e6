"""Sources in the network: `stream` opens them, `schemes` says what there is, the rest is HTTP and its pictures."""
