import { describe, expect, it } from 'vitest'
import { looksSecret, shownArgs, shownText, shownUrl } from './config-secret.ts'

const KEY = ['sk', 'ant', 'api03', 'A1b2C3d4E5f6G7h8'].join('-')

describe('what looks like a secret', () => {
  it.each([
    ['API_KEY', 'hunter2'], ['GITHUB_TOKEN', 'abc'], ['DB_PASSWORD', 'correct horse'], ['Authorization', 'Bearer abcdef'], ['X-Api-Key', 'abc'], ['ANYTHING', KEY],
    ['ANYTHING', 'q7Zk2mN9xR4tB8wL1vC6yH3p'], ['DATABASE', 'postgres://me:pass@db/x'], ['URL', 'https://a.example/?api_key=abc'], ['', `--key=${KEY}`],
    ['', '-----BEGIN RSA PRIVATE KEY-----'], ['Cookie', 'session=1'], ['API_KEY', 'x-${SUFFIX}'], ['KEY', '${KEY:-fallback} x'],
  ])('%s=%s', (name, value) => {
    expect(looksSecret(name, value)).toBe(true)
  })

  it.each([
    ['API_KEY', 'env:API_KEY'], ['API_KEY', '${API_KEY}'], ['API_KEY', 'file:/run/secrets/key'], ['Authorization', 'Bearer ${TOKEN}'], ['TOKEN_LIMIT', '4096'],
    ['SECRET_FILE', '/run/secrets/key'], ['AUTH_TYPE', 'oauth'], ['KEYBOARD', 'qwertz'], ['USE_TOKEN', 'true'], ['TOKEN_URL', 'https://a.example/token'], ['API_KEY', ''],
    ['', '@modelcontextprotocol/server-filesystem'], ['', 'mcp-server-everything-2026-edition'], ['', 'postgres://me@db/x'], ['', 'postgres://me:${PASS}@db/x'],
    ['PROJECT', '6f1ed002-ab5c-4d8f-9c3a-0a1b2c3d4e5f'], ['', '-y'], ['PATH', '/usr/local/bin:/usr/bin'],
  ])('not %s=%s', (name, value) => {
    expect(looksSecret(name, value)).toBe(false)
  })
})

describe('what is shown', () => {
  it.each([
    [['--header', 'Authorization: Bearer abc'], ['--header', 'Authorization: <hidden>']],
    [['-H', 'X-Team: ${TEAM}'], ['-H', 'X-Team: ${TEAM}']],
    [['-e', 'API_KEY=abc', '-e', 'TOKEN=${TOKEN}'], ['-e', 'API_KEY=<hidden>', '-e', 'TOKEN=${TOKEN}']],
    [['-c', 'env API_KEY=abc OTHER=1 node x.js'], ['-c', 'env API_KEY=<hidden> OTHER=1 node x.js']],
    [['postgres://me:pass@db/x'], ['postgres://<hidden>@db/x']],
    [['--database=postgres://me:pass@db/x'], ['--database=postgres://<hidden>@db/x']],
    [[KEY], ['<hidden>']],
    [['--password=correct horse'], ['--password=<hidden>']],
    [['run ${API_KEY:-abc}'], ['run ${API_KEY:-<hidden>}']],
    [['-y', '@scope/server-files', '/srv/files'], ['-y', '@scope/server-files', '/srv/files']],
  ])('of %j is %j', (args, shown) => {
    expect(shownArgs(args)).toEqual(shown)
  })

  it.each([
    ['https://me:pw@${HOST}/mcp', 'https://<hidden>@${HOST}/mcp'],
    ['https://${USER}:${PASS}@a.example/mcp', 'https://${USER}:${PASS}@a.example/mcp'],
    ['https://a.example/mcp?key=${KEY}', 'https://a.example/mcp?key=${KEY}'],
    ['https://a.example/s/q7Zk2mN9xR4tB8wL1vC6yH3p/mcp', 'https://a.example/s/<hidden>/mcp'],
    ['https://a.example/mcp#abc', 'https://a.example/mcp#<hidden>'],
    ['https://a.example/${NAME}/mcp', 'https://a.example/${NAME}/mcp'],
  ])('of %s is %s', (url, shown) => {
    expect(shownUrl(url)).toBe(shown)
  })

  it('of a text is all that is no secret', () => {
    expect(shownText(`curl https://a:b@c.example/?q=1 with ${KEY}!`)).toBe('curl https://<hidden>@c.example/?<hidden> with <hidden>!')
  })
})
