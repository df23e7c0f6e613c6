"""Drives a running server with the openai package: openai_client.py BASE_URL"""

import json
import math
import sys
import time
import urllib.request

import openai

base = sys.argv[1].rstrip("/")
client = openai.OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0, timeout=60)
MODEL = client.models.list().data[0].id
CODE = "def add(a, b):\n"


def create(prompt=CODE, **options):
    options.setdefault("model", MODEL)
    return client.completions.create(prompt=prompt, **options)


def load():
    with urllib.request.urlopen(f"{base}/health") as answer:
        health = json.load(answer)
    return health["active"], health["queued"]


def test_models():
    assert client.models.retrieve(MODEL).id == MODEL


def test_plain():
    answer = create(max_tokens=12, temperature=0)
    assert answer.object == "text_completion" and answer.model == MODEL
    [choice] = answer.choices
    assert choice.text and choice.finish_reason == "length" and choice.logprobs is None
    usage = answer.usage
    assert usage.completion_tokens == 12
    assert usage.total_tokens == usage.prompt_tokens + 12
    assert abs(answer.created - time.time()) < 60


def test_prompts_and_n():
    answer = create([CODE, "x = ["], n=3, max_tokens=5, seed=3)
    assert [c.index for c in answer.choices] == list(range(6))
    assert len({c.text for c in answer.choices}) > 1
    ids = create([[50256], [198, 198]], max_tokens=2)
    assert len(ids.choices) == 2 and ids.usage.prompt_tokens == 3


def test_stream_is_the_plain_answer():
    options = dict(max_tokens=30, temperature=0.9, seed=11, n=2)
    plain = create(**options)
    texts, reasons, usage = {0: "", 1: ""}, {}, None
    stream = create(**options, stream=True, stream_options={"include_usage": True})
    events = 0
    for event in stream:
        events += 1
        usage = event.usage or usage
        for choice in event.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert events > 10
    assert [texts[c.index] for c in plain.choices] == [c.text for c in plain.choices]
    assert [reasons[c.index] for c in plain.choices] == [c.finish_reason for c in plain.choices]
    assert usage == plain.usage


def test_logprobs_and_echo():
    [choice] = create(max_tokens=6, temperature=0, logprobs=5, echo=True).choices
    found = choice.logprobs
    assert choice.text.startswith(CODE)
    assert "".join(found.tokens) == choice.text
    assert found.token_logprobs[0] is None and found.top_logprobs[0] is None
    for token, offset, logprob, top in list(
        zip(found.tokens, found.text_offset, found.token_logprobs, found.top_logprobs)
    )[1:]:
        assert choice.text[offset:].startswith(token)
        assert math.isclose(top[token], logprob) and len(top) in (5, 6)
    # Greedy: what was drawn is the likeliest.
    assert max(found.top_logprobs[-1].values()) == found.token_logprobs[-1]
    [scored] = create(choice.text, max_tokens=0, logprobs=5, echo=True).choices
    assert scored.text == choice.text and scored.finish_reason == "length"


def test_stop():
    [plain] = create(max_tokens=40, temperature=0).choices
    stop = plain.text[10:14]
    [choice] = create(max_tokens=40, temperature=0, stop=[stop, "never\0"]).choices
    assert choice.finish_reason == "stop"
    assert choice.text == plain.text[: plain.text.index(stop)]


def test_seed():
    first, second = (create(max_tokens=20, seed=5).choices[0].text for _ in range(2))
    assert first == second
    assert create(max_tokens=20, seed=6).choices[0].text != first


def test_best_of_and_suffix():
    answer = create(n=2, best_of=4, max_tokens=5, suffix="\n\nprint(add(1, 2))\n")
    assert len(answer.choices) == 2 and answer.usage.completion_tokens >= 5


def test_extensions():
    answer = create(max_tokens=1, extra_body={"language": "python", "top_k": 5})
    tagged = create("# language: Python\n" + CODE, max_tokens=1)
    assert answer.usage.prompt_tokens == tagged.usage.prompt_tokens


# What each task takes beside the code, and what its answer begins and ends with.
TASKS = {
    "translate": (
        dict(language="python", target_language="java", target_declaration="int add(int a, int b) {\n"),
        "int add(int a, int b) {\n",
        "",
    ),
    "explain": (dict(language="python"), "#", ""),
    "docstring": (dict(language="python"), '    """', '"""'),
    "custom": (dict(language="python", template="# language: Python\n<INPUT>\n# Tests\n"), "", ""),
}
FUNCTION = "def add(a, b):\n    return a + b\n"


def test_tasks():
    for task, (fields, lead, tail) in TASKS.items():
        extra = {"task": task} | fields
        options = dict(max_tokens=20, seed=2, n=2, logit_bias={"50256": -100}, extra_body=extra)
        plain = create(FUNCTION, **options)
        texts = {0: "", 1: ""}
        for event in create(FUNCTION, **options, stream=True):
            for choice in event.choices:
                texts[choice.index] += choice.text
        assert [c.text for c in plain.choices] == [texts[0], texts[1]], task
        for choice in plain.choices:
            assert choice.text.startswith(lead) and choice.text.endswith(tail), (task, choice.text)
        # The code and what goes around it, but not the answer's frame.
        assert plain.usage.prompt_tokens > create(FUNCTION, max_tokens=0).usage.prompt_tokens, task
        [choice] = create(FUNCTION, max_tokens=8, seed=2, logprobs=0, extra_body=extra).choices
        assert choice.logprobs.text_offset[0] == len(lead), task
        # The last token of a text that was stopped may reach into the stop.
        tokens = "".join(choice.logprobs.tokens)
        answer = choice.text[len(lead) : len(choice.text) - len(tail)]
        stopped = choice.finish_reason == "stop"
        assert tokens.startswith(answer) if stopped else tokens == answer, (task, tokens, choice.text)


def test_a_translation_is_a_prompt_of_the_training():
    fields, lead, _ = TASKS["translate"]
    prompt = f"code translation\nPython:\n{FUNCTION}Java:\n{lead}"
    options = dict(max_tokens=30, temperature=0)
    [byhand] = create(prompt, **options).choices
    [choice] = create(FUNCTION, **options, extra_body={"task": "translate"} | fields).choices
    assert choice.text == lead + byhand.text


def test_errors_of_tasks():
    def error(prompt=FUNCTION, **extra):
        return refused(openai.BadRequestError, prompt=prompt, extra_body=extra)

    assert error(task="review").param == "task"
    assert error(task="explain").param == "language"
    assert error(task="translate", language="python").param == "target_language"
    assert error(task="translate", language="go", target_language="klingon").param == "target_language"
    assert error(task="explain", language="go", target_language="java").param == "target_language"
    assert error(task="custom", language="go", template="x").param == "template"
    assert error(prompt=[198], task="explain", language="go").param == "prompt"
    assert error(task="docstring", language="go", echo=True).param == "echo"
    assert error(task="docstring", language="go", suffix="x").param == "suffix"


def refused(kind, **options):
    try:
        create(**options)
    except kind as error:
        assert type(error) is kind, error
        return error
    raise AssertionError(f"{options} were accepted")


def test_errors():
    error = refused(openai.BadRequestError, temperature=7)
    assert error.param == "temperature" and error.type == "invalid_request_error"
    error = refused(openai.NotFoundError, model="gpt-9")
    assert error.code == "model_not_found"
    error = refused(openai.BadRequestError, prompt=[198] * 4096)
    assert error.code == "context_length_exceeded"
    refused(openai.BadRequestError, n=1, best_of=2, stream=True)
    try:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}])
        raise AssertionError("there is no chat")
    except openai.NotFoundError as error:
        assert error.code == "unknown_url"


def test_busy():
    # More than may wait, in one request that is kept busy and another on top.
    options = dict(max_tokens=2000, logit_bias={"50256": -100}, stream=True)
    streams = [create([CODE] * 32, **options)]
    try:
        error = refused(openai.RateLimitError, prompt=[CODE] * 32)
        assert error.code == "queue_full" and error.response.headers["retry-after"] == "1"
    finally:
        for stream in streams:
            stream.close()


def test_closing_a_stream_cancels():
    stream = create(n=8, max_tokens=2000, logit_bias={"50256": -100}, stream=True)
    for _ in range(5):
        next(iter(stream))
    stream.close()
    end = time.time() + 3
    while load() != (0, 0):
        assert time.time() < end, load()
        time.sleep(0.02)


tests = [(name, test) for name, test in list(globals().items()) if name.startswith("test_")]
for name, test in tests:
    clock = time.time()
    test()
    print(f"{name}: ok, {time.time() - clock:.2f} s", flush=True)
print(f"openai {openai.__version__}: {len(tests)} passed, 0 failed")
