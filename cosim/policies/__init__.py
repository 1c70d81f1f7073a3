"""What a device decides in a round beside its iterations: what it sends to whom, and how loud."""
