"""What ties a run to the machine it lives on: signals, systemd, heat."""
