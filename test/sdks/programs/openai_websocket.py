from openai import OpenAI

from ask import say

with OpenAI().responses.connect() as connection:
    connection.response.create(model="gpt-5", input="Say hello.")
    for event in connection:
        if event.type == "response.output_text.delta":
            say(piece=event.delta)
        if event.type == "response.completed":
            break
