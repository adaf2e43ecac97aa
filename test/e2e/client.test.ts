import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'
import type { PortolanProcess } from '../portolan-process.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { openTcpProxy } from '../tcp-proxy.ts'
import { startInTerminal } from '../terminal-rig.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const everything = join(root, 'node_modules/.bin/mcp-server-everything')
const RUN_MS = 30_000

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

let folder: string
let portolan: PortolanProcess & { readonly baseUrl: string; readonly token: string }
let reference: ReferenceServerProcess
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-client-'))
  const config = join(folder, 'portolan.json')
  writeFileSync(config, JSON.stringify({ mcpServers: { reference: REFERENCE_SERVER_COMMAND, everything: { command: everything }, broken: { command: 'no-such-command' } } }))
  reference = await startReferenceServer()
  portolan = await startPortolan(join(folder, 'data'), ['--config', config])
  const isUp = async (): Promise<void> => expect((await viaPortolan('servers')).stdout).toMatch(/^reference +stdio +ready[^]*^everything +stdio +ready/m)
  await vi.waitFor(isUp, { timeout: 20_000, interval: 300 })
})
afterAll(async () => {
  if (portolan !== undefined) await stopPortolan(portolan)
  await reference?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

/** Runs the client to its end, without a terminal. */
async function run(args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(process.execPath, [CLI_MAIN, ...args], { stdio: 'pipe', timeout: RUN_MS, env: { ...process.env, NO_COLOR: '1' } })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, stdout, stderr }
}

/** Against the running Portolan. */
function viaPortolan(command: string, ...words: string[]): Promise<Ran> {
  return run([command, '--data', join(folder, 'data'), ...words])
}

/** The ways to the same reference server, in both eras. */
const WAYS = (['legacy', 'modern'] as const).flatMap((era) => [
  { era, way: 'through Portolan', ask: (command: string, name: string, ...words: string[]) => viaPortolan(command, name === '' ? 'reference' : `reference/${name}`, ...words, '--era', era) },
  { era, way: 'over HTTP', ask: (command: string, name: string, ...words: string[]) => run([command, ...(name === '' ? [] : [name]), ...words, '--url', reference.url, '--era', era]) },
  {
    era,
    way: 'as a child process',
    ask: (command: string, name: string, ...words: string[]) => (
      run([command, ...(name === '' ? [] : [name]), ...words, '--era', era, '--', REFERENCE_SERVER_COMMAND.command, ...REFERENCE_SERVER_COMMAND.args])
    ),
  },
])

describe.each(WAYS.filter(({ era }) => era === 'modern'))('a $era server\'s task, $way', ({ ask }) => {
  it('is followed to its result, asked for what it asks, and fails as it fails', async () => {
    const calls = [
      ask('call', 'slow_compute', 'seconds=1', 'label=x'), ask('call', 'multi_input', '--answer', 'name=Ada', '--answer', 'confirm=true'),
      ask('call', 'test_tool_with_task', '--answer', 'name=Ada'), ask('call', 'failing_job'), ask('call', 'protocol_error_job'),
    ]
    expect(await Promise.all(calls)).toMatchObject([
      { code: 0, stdout: 'Computed x for 1 s\n' }, { code: 0, stdout: 'Got 2 answers\n' }, { code: 0, stdout: 'Hello from a task, Ada!\n' },
      { code: 1, stdout: 'The job failed\n' }, { code: 1, stderr: expect.stringContaining('The job broke (-32603)') },
    ])
  })
})

describe('a task that a call leaves behind', () => {
  const atReference = (command: string, ...words: string[]): Promise<Ran> => run([command, ...words, '--url', reference.url])

  it('is followed to its result by a later command, which says meanwhile how it is', async () => {
    const left = await atReference('call', 'slow_compute', 'seconds=2', 'label=x', '--detach', '--ttl', '10m')
    expect(left).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S+\n$/), stderr: expect.stringContaining('--ttl is not sent') })
    const id = left.stdout.trim()
    expect(left.stderr).toContain(`portolan follow ${id} --url ${reference.url}\n`)
    const [now, json, end] = await Promise.all([atReference('follow', id, '--status'), atReference('follow', id, '--status', '--json'), atReference('follow', id)])
    expect(now).toMatchObject({ code: 0, stdout: expect.stringMatching(/^status +(working|completed)\n[^]*^made +\d{4}-/m) })
    expect(JSON.parse(json.stdout)).toMatchObject({ taskId: id, resultType: 'complete' })
    expect(end).toMatchObject({ code: 0, stdout: 'Computed x for 2 s\n' })
  })

  it('goes on when a follower is stopped, until it is cancelled', async () => {
    const left = await atReference('call', 'slow_compute', 'seconds=60', 'label=x', '--detach', '--json')
    const { taskId, resultType }: { readonly taskId: string; readonly resultType: string } = JSON.parse(left.stdout)
    expect(resultType).toBe('task')
    const follower = startInTerminal([process.execPath, CLI_MAIN, 'follow', taskId, '--url', reference.url], { columns: 200 })
    // Its bar.
    await follower.waitFor(taskId)
    follower.press('ctrl-c')
    expect(await follower.exited).toBe(130)
    expect(follower.text()).toContain(`The task goes on. To cancel it: portolan follow ${taskId} --cancel --url ${reference.url}`)
    await follower.close()
    expect((await atReference('follow', taskId, '--status')).stdout).toMatch(/^status +working$/m)
    expect(await atReference('follow', taskId, '--cancel')).toMatchObject({ code: 0, stdout: 'The server was told to cancel it; --status says whether it has.\n' })
    expect(await atReference('follow', taskId)).toMatchObject({ code: 1, stderr: 'The task was cancelled.\n' })
    expect(await atReference('follow', 'no-such-task')).toMatchObject({ code: 1, stderr: expect.stringContaining('-32602') })
  })

  it('is reached through Portolan in either era, at a server of 2025-11-25', async () => {
    await Promise.all((['legacy', 'modern'] as const).map(async (era) => {
      const left = await viaPortolan('call', 'everything/simulate-research-query', `topic=${era}`, '--detach', '--era', era)
      expect(left, left.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/^everything\/\S+\n$/), stderr: expect.stringMatching(new RegExp(` --era ${era} --data \\S+\\n`)) })
      const end = await viaPortolan('follow', left.stdout.trim(), '--era', era)
      expect(end, end.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining(`Research Report: ${era}`) })
    }))
  })

  it('is not asked for where a legacy tool may be none, and always where it must be one', async () => {
    const direct = (...words: string[]): Promise<Ran> => run([...words, '--era', 'legacy', '--', everything])
    const [none, always] = await Promise.all([direct('call', 'get-sum', 'a=1', 'b=2', '--task'), direct('call', 'simulate-research-query', 'topic=x', 'ambiguous=true', '--answer', 'interpretation=technical')])
    expect(none).toMatchObject({ code: 0, stdout: 'The sum of 1 and 2 is 3.\n', stderr: expect.stringContaining('The server makes no tasks of this tool') })
    expect(always, always.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('Clarification**: technical') })
  })
})

describe.each(WAYS)('the client in the $era era, $way', ({ ask }) => {
  it('lists tools, and shows one with its arguments', async () => {
    const [list, one] = await Promise.all([ask('tools', ''), ask('tools', 'test_x_mcp_header')])
    expect(list).toMatchObject({ code: 0 })
    expect(list.stdout).toMatch(/^(reference\/)?test_simple_text +- +Answers with one text$/m)
    expect(list.stdout).not.toContain('\t')
    expect(one.stdout).toMatch(/^region +string +optional/m)
    expect(one.stdout).toMatch(/^Example:\n {2}portolan call (reference\/)?test_x_mcp_header region=/m)
  })

  it('answers a form, a model and roots from the command line', async () => {
    const [form, model, roots] = await Promise.all([
      ask('call', 'test_elicitation', 'message=Name?', '--answer', 'response=Ada', '--json'),
      ask('call', 'test_sampling', 'prompt=Hello', '--answer', 'sampling=Good day', '--json'),
      ask('call', 'test_list_roots', '--root', folder, '--json'),
    ])
    expect(form.stdout, form.stderr).toContain('Ada')
    expect(model.stdout, model.stderr).toContain('Good day')
    expect(roots.stdout, roots.stderr).toContain(`file://${folder}`)
  })

  it('reads resources, gets prompts, completes', async () => {
    const [read, get, complete] = await Promise.all([
      ask('read', 'test://static-text'),
      ask('get', 'test_prompt_with_arguments', 'arg1=a', 'arg2=5', '--json'),
      ask('complete', 'test_prompt_with_arguments', 'arg1=te'),
    ])
    expect(read.stdout).toBe('This is the content of the static text resource.')
    expect(get.stdout).toContain(`arg1='a', arg2='5'`)
    expect(complete.stdout).toContain('testAlpha\n')
  })

  it('shows log messages beside the result', async () => {
    const { stdout, stderr } = await ask('call', 'test_tool_with_logging', '--log-level', 'debug')
    expect(stdout).toContain('executed successfully')
    expect(stderr).toMatch(/info: Tool execution started\n/)
  })
})

// A child process is two processes: what does not hang on the way to a server is not shown on it again.
describe.each(WAYS.filter(({ way }) => way !== 'as a child process'))('the client in the $era era, $way, too,', ({ era, ask }) => {
  it('prints what the server sent with --json', async () => {
    const { stdout, code } = await ask('call', 'test_simple_text', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ content: [{ type: 'text', text: expect.stringContaining('simple text') }] })
    expect('resultType' in JSON.parse(stdout)).toBe(era === 'modern')
  })

  it('mirrors arguments into headers, which the server compares', async () => {
    const { code, stderr } = await ask('call', 'test_x_mcp_header', 'region=Zürich', 'depth=3')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('declines what it is not told, and says how to answer', async () => {
    const [{ code, stderr, stdout }, told] = await Promise.all([
      ask('call', 'test_elicitation', 'message=Name?', '--json'),
      ask('call', 'test_elicitation', 'message=Name?', '--no-input'),
    ])
    expect(code).toBe(0)
    expect(stdout).toContain('decline')
    expect(stderr).toMatch(/asks: Name\? Declined: no terminal to ask in\. Answer with --answer response=/)
    expect(told.stderr).toMatch(/Declined \(--no-input\)/)
  })

  it('ends with 1 and the text where the tool reports an error', async () => {
    const { code, stdout, stderr } = await ask('call', 'test_error_handling')
    expect(code).toBe(1)
    expect(stdout).toContain('intentionally')
    expect(stderr).toMatch(/reports an error/)
  })
})

describe('arguments that do not fit the tool', () => {
  it('send nothing, and say what would fit', async () => {
    const missing = await viaPortolan('call', 'reference/test_elicitation')
    expect(missing).toMatchObject({ code: 2, stdout: '' })
    expect(missing.stderr).toMatch(/test_elicitation needs message\.\n {2}For example: portolan call (reference\/)?test_elicitation message=text/)
    const misspelt = await viaPortolan('call', 'reference/test_elicitaton', 'message=x')
    expect(misspelt).toMatchObject({ code: 2, stdout: '' })
    expect(misspelt.stderr).toMatch(/Did you mean (reference\/)?test_elicitation\b/)
    expect((await viaPortolan('call', 'reference/test_elicitation', 'mesage=x')).stderr).toMatch(/no argument mesage\. Did you mean message\?/)
  })
})

describe('in a terminal', () => {
  it('a call asks for the arguments that are missing, and sends them with those that were given', async () => {
    const terminal = startInTerminal([process.execPath, CLI_MAIN, 'call', 'everything/get-sum', 'a=40', '--data', join(folder, 'data')])
    try {
      const asked = await terminal.waitFor(/Second number[^]*b: number/)
      expect(asked).toContain('everything/get-sum needs b')
      terminal.type('2')
      terminal.press('enter')
      await terminal.waitFor('Send it?')
      terminal.press('enter')
      await terminal.waitFor('The sum of 40 and 2 is 42.')
      expect(await terminal.exited).toBe(0)
    } finally {
      await terminal.close()
    }
  })

  it('tables fit its width, and JSON is indented', async () => {
    const tools = startInTerminal([process.execPath, CLI_MAIN, 'tools', 'everything', '--data', join(folder, 'data')], { columns: 60 })
    expect(await tools.exited).toBe(0)
    await tools.waitFor('everything/get-sum')
    expect(Math.max(...tools.lines().map(({ length }) => length))).toBeLessThanOrEqual(60)
    const json = startInTerminal([process.execPath, CLI_MAIN, 'call', 'everything/get-sum', 'a=1', 'b=2', '--json', '--data', join(folder, 'data')])
    await json.waitFor(/^ {6}"text": "The sum of 1 and 2 is 3\."$/m)
    await Promise.all([tools.close(), json.close()])
  })
})

describe('media', () => {
  it('are saved under safe names, and nothing is overwritten', async () => {
    const output = join(folder, 'media')
    const ask = (): Promise<Ran> => viaPortolan('call', 'reference/test_image_content', '--output', output)
    expect((await ask()).code).toBe(0)
    expect((await ask()).code).toBe(0)
    const files = readdirSync(output)
    expect(files.length).toBe(2)
    expect(files.every((file) => /^[\w.-]+\.png$/.test(file))).toBe(true)
    expect(readFileSync(join(output, files[0] ?? '')).subarray(1, 4).toString()).toBe('PNG')
  })
})

describe('a multi-round call of 2026-07-28', () => {
  it.each([
    ['test_input_required_result_multiple_inputs', ['--answer', 'name=Ada', '--answer', 'sampling=Hello', '--root', '/']],
    ['test_input_required_result_multi_round', ['--answer', 'name=Ada', '--answer', 'color=blue']],
    ['test_input_required_result_state_only', []],
  ])('%s comes to its result', async (tool, answers) => {
    const { code, stdout, stderr } = await viaPortolan('call', `reference/${tool}`, ...answers, '--era', 'modern', '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ resultType: 'complete' })
  })
})

describe('Ctrl+C', () => {
  const cancelled = async (url: string, era: string): Promise<number> => {
    const { stdout } = await run(['read', 'test://cancelled-calls', '--url', url, '--era', era])
    return Number(stdout)
  }

  it.each(['legacy', 'modern'])('cancels the call at the server, in the %s era, and ends with 130', async (era) => {
    const before = await cancelled(reference.url, era)
    const wire = await openTcpProxy({ host: '127.0.0.1', port: Number(new URL(reference.url).port) })
    const call = runPortolan(['call', 'test_wait', 'milliseconds=20000', '--url', `http://127.0.0.1:${wire.port}/mcp`, '--era', era])
    await expect.poll(wire.seen).toMatch(/"name":"test_wait"/)
    call.child.kill('SIGINT')
    expect(await call.exited).toEqual({ code: 130, signal: null })
    expect(call.stderr()).toBe('cancelled\n')
    wire.close()
    await expect.poll(() => cancelled(reference.url, era)).toBe(before + 1)
  })
})

describe('portolan watch', () => {
  it.each(['legacy', 'modern'])('prints one line an event in the %s era, and ends cleanly', async (era) => {
    const watch = runPortolan(['watch', '--resource', 'test://watched-resource', '--json', '--url', reference.url, '--era', era])
    await expect.poll(watch.stderr).toMatch(/watching until Ctrl\+C/)
    for (const tool of ['test_trigger_resource_update', 'test_trigger_tool_change']) await run(['call', tool, '--url', reference.url])
    await expect.poll(() => watch.stdout().split('\n').length).toBeGreaterThan(2)
    watch.child.kill('SIGINT')
    expect(await watch.exited).toEqual({ code: 0, signal: null })
    const events = watch.stdout().trim().split('\n').map((line): unknown => JSON.parse(line))
    expect(events).toEqual(expect.arrayContaining([
      expect.objectContaining({ message: expect.objectContaining({ method: 'notifications/resources/updated', params: expect.objectContaining({ uri: 'test://watched-resource' }) }) }),
      expect.objectContaining({ message: expect.objectContaining({ method: 'notifications/tools/list_changed' }) }),
    ]))
  })
})

describe('server-everything', () => {
  const DIRECT = ['--', everything]

  it('is listed and called, directly and through Portolan', async () => {
    for (const sum of [await run(['call', 'get-sum', 'a=2', 'b=3', ...DIRECT]), await viaPortolan('call', 'everything/get-sum', 'a=2', 'b=3')]) {
      expect(sum).toMatchObject({ code: 0, stdout: 'The sum of 2 and 3 is 5.\n' })
    }
  })

  it('asks, and is answered, in its own era', async () => {
    for (const asked of [
      await run(['call', 'trigger-elicitation-request', '--answer', 'name=Ada', '--json', ...DIRECT]),
      await viaPortolan('call', 'everything/trigger-elicitation-request', '--answer', 'name=Ada', '--json'),
    ]) expect(asked.stdout, asked.stderr).toContain('- Name: Ada')
  })
})

describe('what went wrong is said with the next step', () => {
  it.each([
    ['no Portolan', ['servers', '--data', '/nonexistent'], 1, /^No Portolan runs here.*\n {2}Start one with: portolan up.*--url/],
    ['no such command', ['tools', '--', 'no-such-command'], 1, /^no-such-command cannot be started.*\n {2}Check the command/],
    ['a server that dies', ['tools', '--', process.execPath, '-e', 'console.error("boom"); process.exit(3)'], 1, /exited with 3[^]*boom[^]*by hand/],
    ['nobody listens', ['tools', '--url', 'http://127.0.0.1:9/mcp'], 1, /^http:\/\/127\.0\.0\.1:9\/mcp cannot be reached: .*\n/],
    ['no address', ['tools', '--url', 'example'], 2, /is no http or https address/],
    ['no such revision', ['tools', '--url', 'http://127.0.0.1:9/', '--revision', '2020-01-01'], 2, /Known revisions: 2024-11-05/],
    ['a wrong era', ['tools', '--era', 'modern', '--', everything], 1, /does not speak the modern era\.\n {2}Try --era legacy/],
  ])('%s', async (_name, args, code, text) => {
    const { stderr, stdout, ...ran } = await run(args)
    expect({ ...ran, stdout }).toEqual({ code, stdout: '' })
    expect(stderr).toMatch(text)
  })

  it('speaks HTTP+SSE of 2024-11-05 where nothing else answers, with its token', async () => {
    const sse = await run(['call', 'test_simple_text', '--url', `${portolan.baseUrl}/reference/sse`, '--token', portolan.token])
    expect(sse, sse.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('simple text') })
  })

  it('a wrong token, path, server, and one that is down', async () => {
    expect((await run(['tools', '--url', `${portolan.baseUrl}/reference/mcp`, '--token', 'wrong'])).stderr).toMatch(/refused the credentials \(HTTP 401\)\.\n {2}Give a valid token/)
    expect((await run(['tools', '--url', reference.url.replace('/mcp', '/other')])).stderr).toMatch(/HTTP 404\.\n {2}Check the path/)
    expect((await viaPortolan('tools', 'refernce')).stderr).toMatch(/^No server is called refernce\.\n {2}Did you mean reference\?/)
    expect((await viaPortolan('call', 'everything__echo')).stderr).toMatch(/Did you mean everything\/echo\?/)
    expect((await viaPortolan('tools', 'broken')).stderr).toMatch(/^broken is degraded: command not found: no-such-command\n {2}Install the program.*portolan status broken/)
    const all = await viaPortolan('tools')
    expect(all).toMatchObject({ code: 1 })
    expect(all.stdout).toMatch(/^everything\/echo/m)
    expect(all.stderr).toMatch(/^broken is degraded/)
  })
})

describe('completion in bash', () => {
  /** What each line may go on with, of one shell. */
  const complete = async (...lines: readonly string[]): Promise<string[][]> => {
    const script = `
portolan() { "${process.execPath}" "${CLI_MAIN}" "$@"; }
compopt() { echo "open"; }
source <(portolan completion bash)
COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
for COMP_LINE in "$@"; do COMP_POINT=\${#COMP_LINE}; COMPREPLY=(); _portolan_complete; printf '%s\\n' "\${COMPREPLY[@]}" '--'; done`
    const { stdout } = await promisify(execFile)('bash', ['-c', script, 'bash', ...lines], { timeout: RUN_MS, cwd: folder })
    return stdout.split('--\n').slice(0, -1).map((part) => part.split('\n').filter((one) => one !== ''))
  }
  const data = (): string => `--data ${join(folder, 'data')}`

  it('knows commands, servers, tools, arguments and their values', async () => {
    const expected = {
      'portolan ca': ['call'],
      [`portolan call ${data()} ev`]: ['open', 'everything/'],
      [`portolan call ${data()} everything/get-s`]: ['everything/get-structured-content', 'everything/get-sum'],
      [`portolan call ${data()} everything/get-sum `]: ['open', 'a=', 'b='],
      [`portolan call ${data()} everything/get-sum a=1 `]: ['open', 'b='],
      [`portolan call ${data()} everything/get-annotated-message messageType=e`]: ['error'],
      [`portolan read ${data()} reference test://static-t`]: ['//static-text'],
      'portolan call --era m': ['modern'],
    }
    expect(await complete(...Object.keys(expected))).toEqual(Object.values(expected))
  })

  it('runs nothing of what is typed, and is silent without a Portolan', async () => {
    expect(await complete('portolan call "$(touch evil)" `touch evil` ', 'portolan call --data /nonexistent re')).toEqual([[], []])
    expect(readdirSync(folder)).not.toContain('evil')
  })
})
