"""The roof's list of reactions names only what exists. # spec: O2"""

from config.reactions import REACTIONS
from foundation import jobs


def test_every_reaction_is_a_function_of_its_room():
    for handlers in REACTIONS.values():
        for handler in handlers:
            assert callable(jobs.resolve_handler(handler))
