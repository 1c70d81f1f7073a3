"""Radio networks that carry a round's messages: ns-3 scenarios, traffic in, reports out."""
