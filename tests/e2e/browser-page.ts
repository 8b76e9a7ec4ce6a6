// The script of the page in browser.test.ts: what an application in a browser would write.
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorDetailSchema } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';

const chat = (baseUrl: string, protocol: string) =>
  createClient(
    ChatService,
    protocol === 'connect' ? createConnectTransport({ baseUrl }) : createGrpcWebTransport({ baseUrl }),
  );

const ask = (model: string, text: string) => ({
  model,
  messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text } } }] }],
});

const client = {
  async stream(url: string, protocol: string, model: string, question: string) {
    let text = '';
    let last: string | undefined;
    for await (const { event } of chat(url, protocol).streamChatCompletion(ask(model, question))) {
      last = event.case;
      if (event.case === 'delta') text += event.value.text;
    }
    return { text, last };
  },

  async failure(url: string, protocol: string) {
    try {
      await chat(url, protocol).createChatCompletion({
        ...ask('fake/echo', 'x'),
        parameters: { temperature: 9 },
      });
      return null;
    } catch (cause) {
      const error = ConnectError.from(cause);
      return { code: Code[error.code], field: error.findDetails(ErrorDetailSchema)[0]?.field };
    }
  },

  async requestId(url: string) {
    let id: string | null = null;
    await chat(url, 'connect').createChatCompletion(ask('fake/echo', 'x'), {
      onHeader: (headers) => {
        id = headers.get('x-request-id');
      },
    });
    return id;
  },

  async abandon(url: string) {
    const leave = new AbortController();
    const stream = chat(url, 'connect').streamChatCompletion(ask('fake/slow?words=10000', 'x'), {
      signal: leave.signal,
    });
    try {
      for await (const { event } of stream) if (event.case === 'delta') leave.abort();
    } catch {
      // Leaving is what was wanted.
    }
  },
};

(globalThis as unknown as { client: typeof client }).client = client;
