from ask import ask
from google import genai

request = {"model": "gemini-2.5-flash", "contents": "Say hello."}
client = genai.Client()


def pieces():
    for chunk in client.models.generate_content_stream(**request):
        yield chunk.text


ask(lambda: client.models.generate_content(**request).text, pieces)
