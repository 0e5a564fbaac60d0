"""ReplySpace and ConversationSpace: any text, in constant time, in all of gymnasium's helpers."""

import copy
import json
import pickle

import numpy as np
import pytest
from gymnasium.spaces import Dict, Tuple
from gymnasium.vector.utils import (
    batch_space,
    concatenate,
    create_empty_array,
    create_shared_memory,
    iterate,
)
from hypothesis import given
from hypothesis import strategies as st

from selfcorrect_env import Reply
from selfcorrect_env.spaces import ConversationSpace, ReplySpace, object_array

any_text = st.text(st.characters(exclude_categories=[]))
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": any_text}
)
conversations = st.lists(messages, max_size=4).map(tuple)
both = pytest.mark.parametrize("space", [ReplySpace, ConversationSpace])


@given(any_text)
def test_every_text_is_a_reply(text):
    assert text in ReplySpace()
    assert Reply(text, tokens=3) in ReplySpace()


@pytest.mark.parametrize("text", ["", "9" * 10_000_000, "\x00", "\ud800", np.str_("a")])
def test_odd_texts_are_replies(text):
    assert text in ReplySpace()


@pytest.mark.parametrize("other", [None, 3, b"text", ["text"], ("text",), object()])
def test_nothing_else_is_a_reply(other):
    assert other not in ReplySpace()


@given(conversations)
def test_every_conversation_is_one(conversation):
    assert conversation in ConversationSpace()


@pytest.mark.parametrize(
    "other",
    [
        None,
        "user",
        [{"role": "user", "content": "a list"}],
        ("user",),
        ({"role": "user"},),
        ({"role": "user", "content": None},),
        ({"role": "judge", "content": "?"},),
        ({"role": ["user"], "content": "?"},),
        ({"role": "user", "content": "?", "reward": 1},),
        ({"role": "user", "content": "?"}, 3),
    ],
)
def test_nothing_else_is_a_conversation(other):
    assert other not in ConversationSpace()


@both
def test_samples_lie_in_the_space_and_follow_the_seed(space):
    one, other = space(seed=3), space()
    other.seed(3)
    samples = [one.sample() for _ in range(200)]
    assert all(sample in one for sample in samples)
    assert samples == [other.sample() for _ in range(200)]
    assert samples != [space(seed=4).sample() for _ in range(200)]
    text = json.dumps(samples, ensure_ascii=False)
    assert any(ord(character) > 127 for character in text)  # samples try what ASCII would hide


@both
def test_masks_are_refused(space):
    for options in ({"mask": (None, None)}, {"probability": 1}):
        with pytest.raises(ValueError, match=r"Space\(\) samples without"):
            space().sample(**options)


@given(st.lists(any_text), st.lists(conversations))
def test_samples_survive_json(texts, shown):
    for space, samples in ((ReplySpace(), texts), (ConversationSpace(), shown)):
        packed = json.dumps(space.to_jsonable(samples))
        assert space.from_jsonable(json.loads(packed)) == samples


@both
def test_spaces_are_values(space):
    one = space(seed=1)
    for other in (space(), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert one == other
        assert hash(one) == hash(other)
        assert repr(one) == repr(other) == f"{space.__name__}()"
    assert copy.deepcopy(one).sample() == one.sample()
    assert ReplySpace() != ConversationSpace()
    assert not one.is_np_flattenable
    assert one.shape is one.dtype is None


@both
def test_gymnasiums_vector_helpers_take_the_spaces(space):
    single = space()
    batch = batch_space(single, 3)
    assert isinstance(batch, Tuple)
    sample = batch.sample()
    assert sample in batch
    assert list(iterate(batch, sample)) == list(sample)
    empty = create_empty_array(single, n=3)
    assert concatenate(single, list(sample), empty) == sample
    assert Dict(reply=single).sample()["reply"] in single


@both
def test_shared_memory_is_refused_with_the_remedy(space):
    for whole in (space(), Dict(inner=space()), Tuple([space()])):
        with pytest.raises(ValueError, match=r'vector_kwargs=\{"shared_memory": False\}'):
            create_shared_memory(whole, n=2)


def test_object_arrays_do_not_unpack():
    array = object_array([(1, 2), (3, 4), [5]])
    assert array.shape == (3,)
    assert array.tolist() == [(1, 2), (3, 4), [5]]
    assert object_array([]).shape == (0,)
