"""The simulated city: customers, kitchens and riders of one day, who know Handoff only by its public addresses."""
