from ask import ask
from openai import OpenAI

request = {"model": "gpt-5", "messages": [{"role": "user", "content": "Say hello."}]}
client = OpenAI()


def pieces():
    for chunk in client.chat.completions.create(**request, stream=True):
        for choice in chunk.choices:
            yield choice.delta.content


ask(lambda: client.chat.completions.create(**request).choices[0].message.content, pieces)
