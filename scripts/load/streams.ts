// Opens many streams of one chunk a second through one gateway, and says how much memory each takes:
// node scripts/load/streams.ts [--streams 2000] [--seconds 30] [--max-kib 64]
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { measure, startAll } from './processes.ts';

const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '30' },
    /** More memory for a stream is a failure. */
    'max-kib': { type: 'string', default: '64' },
  },
});
const count = Number(values.streams);
const seconds = Number(values.seconds);
/** The first streams pay for code and pools. */
const base = Math.min(100, Math.floor(count / 2));

const running = await startAll({});
const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
const totals = { opened: 0, bytes: 0, failed: 0 };

function open(): Promise<void> {
  return new Promise((resolve) => {
    const body = JSON.stringify({
      model: `llamacpp/chunks=1000000&every_ms=1000`,
      stream: true,
      messages: [{ role: 'user', content: 'Count slowly, please.' }],
    });
    const request = http.request(`${running.url}/v1/chat/completions`, { method: 'POST', agent });
    const fail = (): void => {
      totals.failed++;
      resolve();
    };
    request.once('error', fail);
    request.once('response', (response) => {
      if (response.statusCode !== 200) fail();
      else {
        totals.opened++;
        resolve();
      }
      response.on('data', (chunk: Buffer) => {
        totals.bytes += chunk.length;
      });
      response.on('error', () => {});
    });
    request.end(body);
  });
}

async function openTo(goal: number): Promise<void> {
  while (totals.opened + totals.failed < goal) {
    const left = goal - totals.opened - totals.failed;
    await Promise.all(Array.from({ length: Math.min(400, left) }, open));
  }
}

try {
  await openTo(base);
  await delay(3_000);
  const before = measure(running.pid);
  await openTo(count);
  const begun = performance.now();
  const bytesBefore = totals.bytes;
  let highest = 0;
  const rows: number[] = [];
  while (performance.now() - begun < seconds * 1_000) {
    await delay(1_000);
    const { rssKib } = measure(running.pid);
    rows.push(rssKib);
    highest = Math.max(highest, rssKib);
  }
  const after = measure(running.pid);
  const perStream = (after.rssKib - before.rssKib) / (count - base);
  const atMost = (highest - before.rssKib) / (count - base);
  const health = await fetch(`${running.url}/health/detailed`);
  const { backpressure } = (await health.json()) as { backpressure: { active_requests: number } };
  console.log(
    `streams opened          ${totals.opened} of ${count}, still open ${backpressure.active_requests}`,
  );
  console.log(`bytes a second          ${Math.round((totals.bytes - bytesBefore) / seconds)}`);
  console.log(`resident before, after  ${before.rssKib} KiB with ${base}, ${after.rssKib} KiB with ${count}`);
  console.log(`KiB a stream            ${perStream.toFixed(1)}, at most ${atMost.toFixed(1)}`);
  const wrong = [
    totals.failed > 0 || backpressure.active_requests !== count ? 'not all streams stayed open' : '',
    atMost > Number(values['max-kib']) ? `a stream takes more than ${values['max-kib']} KiB` : '',
  ].filter((line) => line !== '');
  for (const line of wrong) console.error(`FAILED: ${line}`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
} finally {
  agent.destroy();
  await running.stop();
}
