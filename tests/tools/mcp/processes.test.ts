import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startGatewayProcess } from '../../support/process.ts';
import { connected, everything, fixture, isAlive, scripted, until } from './support/tools.ts';

test.each(['plain', 'stays', 'child', 'leaver', ...(process.platform === 'linux' ? ['stray'] : [])])(
  'no process is left of a server that is let go: %s',
  async (mode) => {
    const { config, pids } = scripted(mode);
    const running = await connected([config]);
    await until(() => pids().length === (['child', 'leaver', 'stray'].includes(mode) ? 2 : 1));
    expect(pids().every(isAlive)).toBe(true);
    await running.tools.close();
    expect(isAlive(pids()[0] as number)).toBe(false);
    // A child of the server has its signal; that it has ended is told to nobody.
    await until(() => !pids().some(isAlive));
  },
);

test('a server that heeds the end of its input is not signalled', async () => {
  const { config, notes } = scripted('plain');
  const running = await connected([config]);
  await running.tools.close();
  expect(notes()).not.toContain('SIGTERM');
});

/** A gateway in a process of its own with two servers, of which one heeds nothing. */
async function gatewayWithServers() {
  const folder = mkdtempSync(path.join(tmpdir(), 'mcp-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const notes = path.join(folder, 'notes');
  const file = path.join(folder, 'gateway.yaml');
  const servers = {
    everything: { command: process.execPath, args: [everything, 'stdio'] },
    stubborn: { command: process.execPath, args: [fixture, 'child', notes] },
  };
  writeFileSync(file, JSON.stringify({ mcp_servers: servers }));
  const gateway = await startGatewayProcess({
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_DATA_DIR: folder,
    SECRET_OF_THE_GATEWAY: 'hush',
  });
  onTestFinished(() => gateway.kill());
  await until(() => gateway.lines.filter(({ message }) => message === 'connected').length === 2);
  const noted = (): number[] =>
    [...readFileSync(notes, 'utf8').matchAll(/^pid (\d+)$/gm)].map(([, pid]) => Number(pid));
  await until(() => noted().length === 2);
  return { gateway, stubborn: noted() };
}

/** Processes whose command line has a word in it. */
function processesOf(parent: number): number[] {
  const tasks = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8');
  return tasks.trim().split(/\s+/).filter(Boolean).map(Number);
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

test.runIf(process.platform === 'linux')(
  'no process is left of a gateway that is killed, not even of servers that heed nothing',
  async () => {
    const { gateway, stubborn } = await gatewayWithServers();
    const children = processesOf(parentOf(stubborn[0] as number));
    // Two servers, and the shell that waits for the end of the gateway.
    expect(children).toHaveLength(3);
    const all = [...new Set([...children, ...stubborn])];
    expect(all.every(isAlive)).toBe(true);
    await gateway.kill();
    await until(() => !all.some(isAlive));
  },
);

test.runIf(process.platform === 'linux')(
  'servers see nothing of the environment of the gateway',
  async () => {
    const { stubborn } = await gatewayWithServers();
    const env = readFileSync(`/proc/${stubborn[0]}/environ`, 'utf8').split('\0');
    expect(env.some((line) => line.startsWith('PATH='))).toBe(true);
    const own = env.filter((line) => /SECRET|LLM_GATEWAY/.test(line));
    // By which what it starts is found when it leaves its group.
    expect(own).toEqual([expect.stringMatching(/^LLM_GATEWAY_CHILD=mcp-[\w-]+\/\d+$/)]);
  },
);
