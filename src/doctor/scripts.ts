// Programs that the probes run, one per language. Each takes a check (request, stream, socket) and the echo's address.

/** Node, Deno and Bun. */
export const javaScript = `
const [check, url] = globalThis.Deno?.args ?? process.argv.slice(2);
const fail = (error) => {
  console.error(error?.cause?.message ?? error?.message ?? String(error));
  process.exit(1);
};
try {
  if (check === "request") {
    console.log(await (await fetch(url)).text());
  } else if (check === "stream") {
    const decoder = new TextDecoder();
    for await (const chunk of (await fetch(url + "/events")).body) {
      console.log(decoder.decode(chunk));
    }
  } else if (typeof WebSocket === "undefined") {
    fail("no WebSocket in this runtime");
  } else {
    const address = url.replace("https:", "wss:") + "/socket";
    // Bun's reads no variable for its proxy.
    const socket = globalThis.Bun
      ? new WebSocket(address, { proxy: process.env.HTTPS_PROXY })
      : new WebSocket(address);
    socket.onopen = () => socket.send("over and back");
    socket.onmessage = ({ data }) => {
      console.log("echo: " + data);
      socket.close();
    };
    socket.onerror = (event) => fail(event.error ?? (event.message || "the WebSocket was not opened"));
  }
} catch (error) {
  fail(error);
}
`;

export const pythonUrllib = `
import sys, urllib.request
check, url = sys.argv[1:]
if check == "request":
    print(urllib.request.urlopen(url).read().decode())
else:
    for line in urllib.request.urlopen(url + "/events"):
        print(line.decode(), flush=True)
`;

export const pythonRequests = `
import sys, requests
check, url = sys.argv[1:]
if check == "request":
    print(requests.get(url).text)
else:
    for chunk in requests.get(url + "/events", stream=True).iter_content(None):
        print(chunk.decode(), flush=True)
`;

export const pythonHttpx = `
import sys, httpx
check, url = sys.argv[1:]
try:
    import h2
    client = httpx.Client(http2=True)
except ImportError:
    print("without h2")
    client = httpx.Client()
if check == "request":
    answer = client.get(url)
    print(answer.text)
else:
    with client.stream("GET", url + "/events") as answer:
        for line in answer.iter_lines():
            print(line, flush=True)
`;

export const go = `package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
)

func main() {
	check, url := os.Args[1], os.Args[2]
	if check == "stream" {
		url += "/events"
	}
	answer, err := http.Get(url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		fmt.Println(lines.Text())
	}
}
`;

/** Java reads none of the variables: the program does it itself, with nothing but the JDK. */
export const java = `
import java.io.FileInputStream;
import java.net.*;
import java.net.http.*;
import java.security.KeyStore;
import java.security.cert.*;
import java.util.concurrent.*;
import javax.net.ssl.*;

public class Probe {
    public static void main(String[] args) throws Exception {
        String check = args[0], url = args[1];
        URI proxy = URI.create(System.getenv("HTTPS_PROXY"));
        String[] login = proxy.getUserInfo().split(":", 2);
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int count = 0;
        try (FileInputStream file = new FileInputStream(System.getenv("SSL_CERT_FILE"))) {
            for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                store.setCertificateEntry("ca" + count++, one);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        HttpClient client = HttpClient.newBuilder()
            .proxy(ProxySelector.of(new InetSocketAddress(proxy.getHost(), proxy.getPort())))
            .authenticator(new Authenticator() {
                @Override protected PasswordAuthentication getPasswordAuthentication() {
                    return new PasswordAuthentication(login[0], login[1].toCharArray());
                }
            })
            .sslContext(context)
            .build();
        if (check.equals("socket")) {
            CountDownLatch done = new CountDownLatch(1);
            WebSocket socket = client.newWebSocketBuilder()
                .buildAsync(URI.create(url.replace("https:", "wss:") + "/socket"), new WebSocket.Listener() {
                    @Override public CompletionStage<?> onText(WebSocket from, CharSequence text, boolean last) {
                        System.out.println("echo: " + text);
                        done.countDown();
                        return null;
                    }
                }).get();
            socket.sendText("over and back", true).get();
            done.await();
            System.exit(0);
        }
        HttpRequest request = HttpRequest.newBuilder(URI.create(check.equals("stream") ? url + "/events" : url)).build();
        HttpResponse<java.util.stream.Stream<String>> answer =
            client.send(request, HttpResponse.BodyHandlers.ofLines());
        answer.body().forEach(System.out::println);
    }
}
`;
