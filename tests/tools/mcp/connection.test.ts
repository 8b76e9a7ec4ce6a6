import { describe, expect, test } from 'vitest';
import { connect, connected, isAlive, scripted, server, stdio, until } from './support/tools.ts';

const textOf = (value: string) => ({ content: [{ type: 'text', text: value }] });

describe('the list of tools', () => {
  test('is of names that providers take, unique and always the same', async () => {
    const { config } = scripted('names');
    const first = await connected([config]);
    const names = await first.names();
    expect(names).toEqual([
      expect.stringMatching(/^s__a_b_c_[\da-f]{8}$/),
      's__a_b_c',
      expect.stringMatching(/^s__x{52}_[\da-f]{8}$/),
      expect.stringMatching(/^s___n__[\da-f]{8}$/),
      's__twice',
    ]);
    expect(new Set(names).size).toBe(names.length);
    expect(await (await connected([config])).names()).toEqual(names);
    expect(first.log).toContainEqual(
      expect.objectContaining({ level: 'WARN', mcp_server: 's', left_out: ['"twice" is there twice'] }),
    );
  });

  test('is of the tools that were asked for', async () => {
    const { config } = scripted('plain', { tools: ['two', 'three'] });
    const running = await connected([config]);
    expect(await running.names()).toEqual(['s__two']);
    expect(running.log).toContainEqual(expect.objectContaining({ left_out: ['"three" is not there'] }));
  });

  test('ends after a thousand tools', async () => {
    const running = await connected([scripted('many').config]);
    const names = await running.names();
    expect(names).toHaveLength(1_000);
    expect(names.at(-1)).toBe('s__t999');
    expect(running.log).toContainEqual(
      expect.objectContaining({ level: 'WARN', left_out: [expect.stringMatching(/too many/)] }),
    );
  });

  test('ends after 200 pages of a server that always has another one', async () => {
    const running = await connected([scripted('endless').config]);
    expect(await running.names()).toHaveLength(200);
  });

  test('follows the changes that the server tells of', async () => {
    const running = await connected([scripted('plain').config]);
    expect(await running.names()).toEqual(['s__one', 's__two']);
    await running.call('s__one', { add: 'three' });
    await until(async () => (await running.names()).includes('s__three'));
  });

  test('is asked for again now and then, since not every server tells', async () => {
    const { config } = scripted('plain');
    const running = await connected([config], { refreshMs: 20 });
    await running.call('s__one', { add: 'three', quietly: true });
    await until(async () => (await running.names()).includes('s__three'));
  });

  test('that is wrong is no list, and the server is tried again', async () => {
    const { config, pids } = scripted('wrong-list');
    const running = connect([config]);
    await until(() => pids().length > 1);
    expect(await running.names()).toEqual([]);
    expect(running.log).toContainEqual(expect.objectContaining({ message: 'cannot connect' }));
  });

  test('does not wait for servers', async () => {
    const running = connect([scripted('mute').config, server('none', stdio(['/no/such/file.mjs']))]);
    expect(await running.names()).toEqual([]);
    expect(await running.tools.find('', 's__one')).toBeNull();
  });
});

describe('a call', () => {
  test('gives the result as JSON and as parts', async () => {
    const running = await connected([scripted('plain').config]);
    const result = {
      content: [
        { type: 'text', text: 'words' },
        { type: 'image', data: 'iVBORw==', mimeType: 'image/png' },
        { type: 'audio', data: 'AAAA', mimeType: 'audio/mpeg' },
        { type: 'resource', resource: { uri: 'x://1', text: 'inner' } },
        { type: 'resource', resource: { uri: 'x://2', blob: 'AAAA', mimeType: 'application/zip' } },
        { type: 'resource_link', uri: 'x://3', name: 'third' },
      ],
      structuredContent: { any: [1, null] },
    };
    const outcome = await running.call('s__one', { say: result });
    if (outcome.kind !== 'result') throw new Error(outcome.message);
    expect(JSON.parse(outcome.json)).toEqual(result);
    expect(outcome.parts?.map(({ content }) => content)).toMatchObject([
      { case: 'text', value: { text: 'words' } },
      {
        case: 'image',
        value: { source: { case: 'data', value: Buffer.from('iVBORw==', 'base64') }, mediaType: 'image/png' },
      },
      { case: 'text', value: { text: '[sound: 3 bytes of audio/mpeg]' } },
      { case: 'text', value: { text: 'inner' } },
      { case: 'text', value: { text: '[x://2: 3 bytes of application/zip]' } },
      { case: 'text', value: { text: '[third](x://3)' } },
    ]);
  });

  test('with structured content alone is read as its JSON', async () => {
    const running = await connected([scripted('plain').config]);
    const outcome = await running.call('s__one', { say: { content: [], structuredContent: { a: 1 } } });
    expect(outcome).toMatchObject({ parts: [{ content: { value: { text: '{"a":1}' } } }] });
  });

  test('that the tool fails is an error outcome with its text', async () => {
    const running = await connected([scripted('plain').config]);
    const say = { ...textOf('it broke'), isError: true };
    expect(await running.call('s__one', { say })).toEqual({ kind: 'error', message: 'it broke' });
    expect(await running.call('s__one', { say: { content: [], isError: true } })).toEqual({
      kind: 'error',
      message: 'the tool failed without saying why',
    });
    expect(await running.call('s__one', { error: { code: -32602, message: 'no such city' } })).toEqual({
      kind: 'error',
      message: expect.stringContaining('no such city'),
    });
  });

  test('whose answer is no result is an error outcome', async () => {
    const running = await connected([scripted('plain').config]);
    const outcome = await running.call('s__one', { say: { content: 'words' } });
    expect(outcome).toEqual({ kind: 'error', message: 'MCP server s gave an answer that is no tool result' });
  });

  test('finds its answer among garbage', async () => {
    const running = await connected([scripted('plain').config]);
    const outcome = await running.call('s__one', { garbage: true });
    expect(outcome).toMatchObject({ kind: 'result', json: JSON.stringify(textOf('after the garbage')) });
  });

  test('that the server dies of fails at once, and the next one reaches the server that was started again', async () => {
    const { config, pids } = scripted('plain');
    const running = await connected([config]);
    expect(await running.call('s__one', { die: true })).toEqual({
      kind: 'error',
      message: 'MCP server s is not available',
    });
    expect(await running.names()).toEqual(['s__one', 's__two']);
    await until(async () => (await running.call('s__one')).kind === 'result');
    expect(pids()).toHaveLength(2);
    expect(running.log).toContainEqual(
      expect.objectContaining({ message: 'connection lost', ended: 'exit code 1' }),
    );
  });

  test('that is answered with an endless line ends the server', async () => {
    const { config, pids } = scripted('plain');
    const running = await connected([config]);
    expect((await running.call('s__one', { huge: true })).kind).toBe('error');
    await until(() => pids().length === 2);
  });

  test('that the server does not answer ends after its time, and the server is told', async () => {
    const { config, notes } = scripted('plain', { timeoutMs: 200 });
    const running = await connected([config]);
    expect(await running.call('s__one', { hang: true })).toEqual({
      kind: 'error',
      message: 'MCP server s did not answer within 200 ms',
    });
    await until(() => notes().includes('cancelled one: '));
    expect((await running.call('s__two')).kind).toBe('result');
  });

  test('that is cancelled rejects with the reason, and the server is told, but not why', async () => {
    const { config, notes } = scripted('plain');
    const running = await connected([config]);
    const leaving = new AbortController();
    const call = running.call('s__one', { hang: true }, leaving.signal);
    await until(() => notes().includes('running one'));
    leaving.abort(new Error('the secret reason'));
    await expect(call).rejects.toThrow('the secret reason');
    await until(() => notes().includes('cancelled one: the call was cancelled'));
    await expect(running.call('s__one', {}, leaving.signal)).rejects.toThrow('the secret reason');
  });
});

describe('a server', () => {
  test('that floods its standard error is served all the same', async () => {
    const running = await connected([scripted('flood').config]);
    expect((await running.call('s__one')).kind).toBe('result');
  });

  test('that does not start is told of once, with the end of what it said, but without secrets', async () => {
    const { config, pids } = scripted('refuses');
    const transport = { ...config.transport, env: { TOKEN: 'hush-hush-value' } } as typeof config.transport;
    const running = connect([{ ...config, transport }]);
    await until(() => pids().length > 2);
    const warnings = running.log.filter(({ level }) => level === 'WARN');
    expect(warnings).toEqual([
      expect.objectContaining({
        message: 'cannot connect',
        mcp_server: 's',
        ended: expect.stringContaining('exit code 3: bad configuration'),
      }),
    ]);
    expect(JSON.stringify(running.log)).not.toContain('hush');
  });

  test('that does not exist is told of', async () => {
    const running = connect([server('s', { ...stdio([]), command: '/no/such/program' } as never)]);
    await until(() => running.log.length > 0);
    expect(running.log[0]).toMatchObject({ level: 'WARN', message: 'cannot connect', error: 'ENOENT' });
  });

  test('that does not answer is ended and tried again', async () => {
    const { config, pids } = scripted('mute');
    connect([config], { firstPauseMs: 20, mostPauseMs: 20, connectMs: 300 });
    await until(() => pids().length > 1);
    await until(() => !isAlive(pids()[0] as number));
  });

  test('gets nothing of the environment but what it is given and what every process needs', async () => {
    process.env['GATEWAY_TEST_SECRET'] = 'hush';
    const { config } = scripted('plain');
    const transport = { ...config.transport, env: { GIVEN: 'yes' } } as typeof config.transport;
    const running = await connected([{ ...config, transport }]);
    const outcome = await running.call('s__one', { env: true });
    delete process.env['GATEWAY_TEST_SECRET'];
    if (outcome.kind !== 'result') throw new Error(outcome.message);
    const env = JSON.parse(JSON.parse(outcome.json).content[0].text) as Record<string, string>;
    expect(env).toMatchObject({ GIVEN: 'yes', PATH: process.env['PATH'] });
    const usual = ['GIVEN', 'HOME', 'LLM_GATEWAY_CHILD', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER'];
    expect(Object.keys(env).filter((name) => !usual.includes(name))).toEqual([]);
  });
});

describe('another configuration', () => {
  test('keeps the servers that are the same, with their calls, and replaces the others', async () => {
    const kept = scripted('plain');
    const changed = scripted('plain');
    const a = { ...kept.config, name: 'a' };
    const b = { ...changed.config, name: 'b' };
    const running = await connected([a, b]);
    await until(async () => (await running.names()).length === 4);
    const slow = new AbortController();
    const call = running.call('a__one', { hang: true }, slow.signal);
    await until(() => kept.notes().includes('running one'));
    running.tools.reconfigure([structuredClone(a), { ...b, tools: ['one'] }, { ...b, name: 'c' }]);
    await until(async () => (await running.names()).length === 5);
    expect(await running.names()).toEqual(['a__one', 'a__two', 'b__one', 'c__one', 'c__two']);
    expect(kept.pids()).toHaveLength(1);
    await until(() => !isAlive(changed.pids()[0] as number));
    running.tools.reconfigure([a]);
    expect(await running.names()).toEqual(['a__one', 'a__two']);
    slow.abort(new Error('over'));
    await expect(call).rejects.toThrow('over');
  });

  test('leaves a tool that is still held with a clear outcome', async () => {
    const running = await connected([scripted('plain').config]);
    const tool = (await running.tools.list(''))[0];
    running.tools.reconfigure([]);
    const context = { tenant: '', requestId: '', signal: new AbortController().signal };
    await until(async () => (await tool?.run({}, context))?.kind === 'error');
    expect(await tool?.run({}, context)).toEqual({ kind: 'error', message: 'MCP server s is not available' });
  });
});
