"""What Handoff watches about itself (SPEC W6, N5): each module looks at one thing, from the database alone.

Foundation cannot raise alerts, so ops and config sweeps. Every watch is level-triggered: it finds all that is wrong of
its kind and holds exactly these incidents open (`service.sync_incidents`). Run twice, at the same time, or late, it
comes to the same. What each alert means and what to do about it is in docs/alerts.md.
"""
