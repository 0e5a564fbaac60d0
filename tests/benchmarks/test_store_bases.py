"""The bases that the script names come with the package."""

import pytest
from store_bases import ARITHMETIC, MAP, TOYCODE

from selfcorrect_agents.lm.loading import parse_tiny
from selfcorrect_agents.lm.tiny import base_name
from selfcorrect_agents.lm.tiny.shipped import shipped_weights


@pytest.mark.parametrize("name", sorted({*ARITHMETIC, *TOYCODE, *MAP}))
def test_a_base_of_the_tables_and_the_map_is_stored(name: str) -> None:
    assert shipped_weights(base_name(parse_tiny(name))) is not None
