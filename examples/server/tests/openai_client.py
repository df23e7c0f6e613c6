"""Drives a running server with the openai package: openai_client.py BASE_URL"""

import json
import math
import sys
import time
import urllib.error
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
    # Greedy: the sampled token is the most likely one.
    assert max(found.top_logprobs[-1].values()) == found.token_logprobs[-1]
    [scored] = create(choice.text, max_tokens=0, logprobs=5, echo=True).choices
    assert scored.text == choice.text and scored.finish_reason == "length"


def test_scores_of_answers():
    """What lm-evaluation-harness does: one more token, which the slice leaves out again."""
    question = client.completions.create(model=MODEL, prompt=CODE, max_tokens=0, echo=True, logprobs=0)
    context = question.usage.prompt_tokens
    for answer in ["    return a + b\n", "    return b\n"]:
        options = dict(prompt=CODE + answer, echo=True, logprobs=1, seed=1234)
        [alone] = create(max_tokens=0, **options).choices
        expected = sum(alone.logprobs.token_logprobs[context:])
        # The end of text is a token like any other: the most likely one, or any one.
        for bias in [None, {"50256": 100}, {"50256": -100}]:
            [choice] = create(max_tokens=1, temperature=0, logit_bias=bias, **options).choices
            assert len(choice.logprobs.token_logprobs) == len(alone.logprobs.token_logprobs) + 1, bias
            found = sum(choice.logprobs.token_logprobs[context:-1])
            assert math.isclose(found, expected, rel_tol=1e-6), (bias, found, expected)
            assert len(choice.logprobs.top_logprobs) == len(choice.logprobs.tokens)


def test_the_end_of_text_is_reported():
    answer = create(max_tokens=5, temperature=0, logit_bias={"50256": 100}, logprobs=2)
    [choice] = answer.choices
    assert choice.text == "" and choice.finish_reason == "stop"
    assert choice.logprobs.tokens == ["<|endoftext|>"] and choice.logprobs.text_offset == [0]
    assert choice.logprobs.top_logprobs[0]["<|endoftext|>"] == choice.logprobs.token_logprobs[0] < 0
    assert answer.usage.completion_tokens == 1


def test_a_character_over_the_seam():
    options = dict(max_tokens=1, temperature=0, logit_bias={"25081": 100}, logprobs=0)
    [choice] = create([8582], echo=True, **options).choices
    assert choice.text == "\U0001f642" and choice.logprobs.text_offset == [0, 0]
    assert choice.logprobs.tokens == ["bytes:\\xf0\\x9f", "bytes:\\x99\\x82"]
    pieces = create([8582], echo=True, stream=True, **options)
    assert "".join(c.text for event in pieces for c in event.choices) == choice.text
    [choice] = create([8582], **options).choices
    assert choice.text == "\U0001f642" and choice.logprobs.text_offset == [0]


def raw(body, **headers):
    headers = {"content-type": "application/json"} | headers
    request = urllib.request.Request(f"{base}/v1/completions", body.encode("ascii"), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_json_as_python_writes_it():
    # Half of an emoji, as an editor cuts it, and numbers of programs that know only one kind.
    body = json.dumps({"prompt": "x = '\ud83d", "max_tokens": 2.0, "n": 1.0, "seed": 3.0})
    assert "\\ud83d" in body
    status, answer = raw(body)
    assert status == 200 and answer["usage"]["completion_tokens"] == 2
    for value in [float("nan"), float("inf")]:
        status, answer = raw(json.dumps({"temperature": value}))
        assert status == 400 and answer["error"]["code"] == "invalid_json"
    assert raw(json.dumps({"max_tokens": 10**30}))[1]["error"]["param"] == "max_tokens"


def test_connections_are_kept():
    # The second request is on the connection of the first, after a while.
    import http.client

    host = base.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    for _ in range(2):
        connection.request("GET", "/health")
        assert connection.getresponse().read()
        socket = connection.sock
        time.sleep(1.2)
        assert connection.sock is socket
    connection.close()


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
        raise AssertionError("there is no chat endpoint")
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
