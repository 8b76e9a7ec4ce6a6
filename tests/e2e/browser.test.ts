import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** The page's script, bundled for a browser. */
async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: false,
      lib: { entry: path.join(import.meta.dirname, 'browser-page.ts'), formats: ['es'], fileName: 'page' },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('the bundle is empty');
  return output.output[0].code;
}

describe.skipIf(executablePath === undefined)('Connect-Web in a browser, from another origin', () => {
  let gateway: RunningGateway;
  let pages: Server;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    const script = await bundle();
    pages = createServer((request, response) => {
      const html = request.url === '/';
      response.setHeader('content-type', html ? 'text/html' : 'text/javascript');
      response.end(html ? '<!doctype html><script type="module" src="/page.js"></script>' : script);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => pages.once('listening', resolve));
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    gateway = await startGateway({ LLM_GATEWAY_CORS_ORIGINS: origin });
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-sync',
        '--disable-component-update',
      ],
    });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await gateway?.stop();
    pages?.close();
  });

  /** Runs one of the page's functions in a fresh page. */
  async function inPage(name: string, ...args: unknown[]): Promise<unknown> {
    const page = await browser.newPage();
    try {
      await page.goto(origin);
      await page.waitForFunction(() => 'client' in globalThis);
      return await page.evaluate(
        ([method, values]) =>
          (globalThis as never as { client: Record<string, (...a: unknown[]) => unknown> }).client[
            method as string
          ]?.(...(values as unknown[])),
        [name, args] as const,
      );
    } finally {
      await page.close();
    }
  }

  test.each(['connect', 'grpc-web'])('streams over %s', async (protocol) => {
    expect(
      await inPage('stream', gateway.url, protocol, 'fake/echo?words=30', 'hello from a page'),
    ).toMatchObject({
      text: expect.stringMatching(/^hello from a page hello/),
      last: 'finished',
    });
  });

  test.each(['connect', 'grpc-web'])('reads errors and their details over %s', async (protocol) => {
    expect(await inPage('failure', gateway.url, protocol)).toEqual({
      code: 'InvalidArgument',
      field: 'parameters.temperature',
    });
  });

  test('reads the request id, which CORS exposes', async () => {
    expect(await inPage('requestId', gateway.url)).toMatch(/^req_/);
  });

  test('a page that stops reading stops the upstream', async () => {
    const from = gateway.log.length;
    await inPage('abandon', gateway.url);
    let line: Record<string, unknown> | undefined;
    while ((line = gateway.log.slice(from).find(({ message }) => message === 'call')) === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(line).toMatchObject({ status: 'cancelled' });
  });
});
