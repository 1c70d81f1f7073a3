"""What goes on the air, and how what arrived is mixed."""
