"""The live page: its server, which is a process of its own, and what it serves."""
