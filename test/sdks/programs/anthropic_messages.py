from anthropic import Anthropic
from ask import ask

request = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Say hello."}],
}
client = Anthropic()


def pieces():
    with client.messages.stream(**request) as stream:
        yield from stream.text_stream


ask(lambda: client.messages.create(**request).content[0].text, pieces)
