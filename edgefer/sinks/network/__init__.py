"""Outputs that other machines see: a broker, a page, metrics. They never hold up a run, whatever the network does."""
