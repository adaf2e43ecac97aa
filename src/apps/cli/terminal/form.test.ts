import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createVirtualKeyboard, createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { askElicitation } from './form.ts'
import type { ElicitAnswer, Question } from './form.ts'
import { createTerminal } from './terminal.ts'

function person(columns = 80) {
  const screen = createVirtualScreen(columns, 40)
  const keyboard = createVirtualKeyboard(screen)
  const terminal = createTerminal({ stdin: keyboard.stdin, stdout: new PassThrough(), stderr: screen.stream, env: { TERM: 'xterm-256color', NO_COLOR: '1' } })
  const ask = (params: unknown, question: Partial<Question> = {}): Promise<ElicitAnswer> => askElicitation(terminal, params, { server: 'files', ...question })
  return { ...keyboard, screen, terminal, ask }
}

function formOf(properties: Record<string, unknown>, required: string[] = []): unknown {
  return { mode: 'form', message: 'Tell me more.', requestedSchema: { type: 'object', properties, required } }
}

describe('a form', () => {
  it('names the server first, takes an answer, shows it again and sends it', async () => {
    const { ask, waitFor, type, press, screen, isRaw } = person()
    const answer = ask(formOf({ name: { type: 'string', title: 'Your name', description: 'As in your passport.' } }, ['name']))
    const shown = await waitFor('Your name')
    expect(shown.trimStart()).toMatch(/^┌ {2}files asks for information\n│ {2}Tell me more\./)
    expect(shown).toContain('As in your passport.')
    expect(shown).toContain('Ctrl-D declines, Esc cancels')
    type('Ada')
    press('enter')
    expect(await waitFor('Send it?')).toContain('Your name: Ada')
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: { name: 'Ada' } })
    await screen.settled()
    expect([isRaw(), screen.isCursorVisible()]).toEqual([false, true])
  })

  it('says what is wrong with an answer and lets it be mended', async () => {
    const { ask, waitFor, type, press } = person()
    const answer = ask(formOf({ age: { type: 'integer', minimum: 18, maximum: 120 } }, ['age']))
    await waitFor('age: whole number, 18 to 120')
    press('enter')
    await waitFor('An answer is required.')
    type('12')
    press('enter')
    await waitFor('Too small: at least 18.')
    press('backspace')
    type('8')
    press('enter')
    await waitFor('Send it?')
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: { age: 18 } })
  })

  it('leaves out what is optional and not answered, and keeps defaults that are left as they are', async () => {
    const { ask, waitFor, press } = person()
    const answer = ask(formOf({
      nick: { type: 'string' },
      city: { type: 'string', default: 'Brno' },
      score: { type: 'number', default: 95.5 },
      fast: { type: 'boolean', default: true },
      sure: { type: 'boolean' },
      color: { type: 'string', enum: ['red', 'green'], default: 'green' },
    }))
    await waitFor('nick (optional)')
    press('enter')
    await waitFor('city (optional)')
    press('enter')
    await waitFor('score (optional): number')
    press('enter')
    await waitFor('fast (optional)')
    press('enter')
    await waitFor('sure (optional)')
    press('enter')
    await waitFor('color (optional)')
    press('enter')
    const review = await waitFor('Send it?')
    for (const line of ['nick: (left out)', 'city: Brno', 'score: 95.5', 'fast: Yes', 'sure: (left out)', 'color: green']) expect(review).toContain(line)
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: { city: 'Brno', score: 95.5, fast: true, color: 'green' } })
  })

  it('says that a default may apply where an answer with one is taken out', async () => {
    const { ask, waitFor, press } = person()
    const answer = ask(formOf({ city: { type: 'string', default: 'Brno' } }))
    await waitFor('city (optional)')
    press('ctrl-u', 'enter')
    expect(await waitFor('Send it?')).toContain('city: (left out: its default is Brno)')
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: {} })
  })

  it('offers titles and sends values, one or several', async () => {
    const { ask, waitFor, press } = person()
    const answer = ask(formOf({
      one: { type: 'string', oneOf: [{ const: 'v1', title: 'First Option' }, { const: 'v2', title: 'Second Option' }] },
      old: { type: 'string', enum: ['o1', 'o2'], enumNames: ['Option One', 'Option Two'] },
      many: { type: 'array', minItems: 1, maxItems: 2, items: { anyOf: [{ const: 'a', title: 'Alpha' }, { const: 'b', title: 'Beta' }, { const: 'c', title: 'Gamma' }] } },
    }, ['one', 'old', 'many']))
    await waitFor('Second Option')
    press('down', 'enter')
    await waitFor('Option Two')
    press('enter')
    await waitFor('many: 1 to 2')
    press('enter')
    await waitFor('Choose at least 1.')
    press('space', 'down', 'space', 'down', 'space', 'enter')
    await waitFor('Choose at most 2, not 3.')
    press('space', 'enter')
    await waitFor('Send it?')
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: { one: 'v2', old: 'o1', many: ['b', 'c'] } })
  })

  it('lets an answer be changed before it is sent', async () => {
    const { ask, waitFor, type, press } = person()
    const answer = ask(formOf({ a: { type: 'string' }, b: { type: 'string' } }))
    await waitFor('a (optional)')
    type('one')
    press('enter')
    await waitFor('b (optional)')
    press('enter')
    await waitFor('Change b')
    press('down', 'enter')
    await waitFor(/Send it\?[^]*a \(optional\)[^]*one/)
    press('ctrl-u')
    type('two')
    press('enter')
    await waitFor('a: two')
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: { a: 'two' } })
  })

  it('is declined with Ctrl-D and cancelled with Esc or Ctrl-C, at any question', async () => {
    for (const [key, action] of [['ctrl-d', 'decline'], ['escape', 'cancel'], ['ctrl-c', 'cancel']] as const) {
      for (const isFirst of [true, false]) {
        const { ask, waitFor, type, press, isRaw } = person()
        const answer = ask(formOf({ a: { type: 'string' }, b: { type: 'boolean' } }))
        await waitFor('a (optional)')
        type('x')
        if (!isFirst) {
          press('enter')
          await waitFor('b (optional)')
        }
        press(key)
        expect(await answer).toEqual({ action })
        expect(isRaw()).toBe(false)
      }
    }
  })

  it('can be declined at the end, and cancelled there', async () => {
    const { ask, waitFor, press } = person()
    const declined = ask(formOf({}))
    await waitFor('Send it?')
    press('down', 'enter')
    expect(await declined).toEqual({ action: 'decline' })
    const cancelled = ask(formOf({}))
    await waitFor(/Send it\?[^]*Send it\?/)
    press('escape')
    expect(await cancelled).toEqual({ action: 'cancel' })
  })

  it('warns of fields that ask for passwords and keys, and does not show what is typed there', async () => {
    const { ask, waitFor, type, press, screen } = person()
    const answer = ask(formOf({ apiKey: { type: 'string', title: 'API key' } }, ['apiKey']))
    const shown = (await waitFor(/API key\n/)).replaceAll(/\n│ +/g, ' ')
    expect(shown).toContain('Servers must not ask for those in a form')
    type('hunter2')
    press('enter')
    expect(await waitFor('Send it?')).toContain('API key: (hidden)')
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: { apiKey: 'hunter2' } })
    expect(screen.raw()).not.toContain('hunter2')
  })

  it('shows what a server would do to the terminal instead of doing it', async () => {
    const { ask, waitFor, press, screen } = person(120)
    const evil = 'x\u001b[2J\u202e\u001b]0;t\u0007'
    const answer = ask({
      ...(formOf({ [evil]: { type: 'string', title: evil, description: evil, enum: [evil], enumNames: [evil] } }) as object),
      message: `${evil}\n┌  bank asks for information`,
    }, { server: evil })
    await waitFor('No answer')
    press('enter')
    await waitFor('Send it?')
    press('enter')
    expect(await answer).toEqual({ action: 'accept', content: {} })
    for (const sent of ['\u001b[2J', '\u202e', '\u001b]', '\u0007']) expect(screen.raw()).not.toContain(sent)
    // A second heading in the message stands behind the guide, where no heading stands.
    expect(screen.text()).toContain('│  ┌  bank asks')
  })

  it('is cancelled when the question is taken back, and leaves the terminal as it was', async () => {
    const { ask, waitFor, isRaw, screen } = person()
    const controller = new AbortController()
    const answer = ask(formOf({ a: { type: 'string' } }), { signal: controller.signal })
    await waitFor('a (optional)')
    controller.abort()
    expect(await answer).toEqual({ action: 'cancel' })
    await waitFor('The question was taken back.')
    expect([isRaw(), screen.isCursorVisible()]).toEqual([false, true])
  })

  it('is cancelled when the terminal goes away', async () => {
    const { ask, waitFor, stdin } = person()
    const answer = ask(formOf({ a: { type: 'string' } }))
    await waitFor('a (optional)')
    stdin.end()
    expect(await answer).toEqual({ action: 'cancel' })
    expect(await ask(formOf({ a: { type: 'string' } }))).toEqual({ action: 'cancel' })
  })

  it('is not answered by keys that were pressed before it was seen, but Ctrl-C counts', async () => {
    const { ask, waitFor, type, press, screen } = person()
    type('yes\r')
    const answer = ask(formOf({ a: { type: 'string' }, b: { type: 'string' } }))
    await new Promise((resolve) => setTimeout(resolve, 50))
    type('no\r')
    await waitFor('a (optional)')
    expect(screen.text()).not.toMatch(/yes|no\b|b \(optional\)/)
    press('escape')
    expect(await answer).toEqual({ action: 'cancel' })
    const stopped = ask(formOf({ a: { type: 'string' } }))
    press('ctrl-c')
    expect(await stopped).toEqual({ action: 'cancel' })
  })

  it('waits for the form before it', async () => {
    const { ask, waitFor, press, screen } = person()
    const [first, second] = [ask(formOf({ a: { type: 'string' } })), ask(formOf({ b: { type: 'string' } }), { server: 'other' })]
    await waitFor('a (optional)')
    expect(screen.text()).not.toContain('other')
    press('escape')
    expect(await first).toEqual({ action: 'cancel' })
    await waitFor('b (optional)')
    press('ctrl-d')
    expect(await second).toEqual({ action: 'decline' })
  })

  it('fits 40 columns', async () => {
    const { ask, waitFor, press, screen } = person(40)
    const answer = ask(formOf({ a: { type: 'string', description: 'A long description that does not fit on one line of it.' } }))
    await waitFor('a (optional)')
    press('enter')
    await waitFor('Send it?')
    press('enter')
    await answer
    expect(screen.lines().every((line) => line.length <= 40)).toBe(true)
    expect(screen.text()).toContain('│  A long description that does not fit\n│  on one line of it.')
  })

  it('is cancelled, with a word about it, where nobody can be asked', async () => {
    const stderr = new PassThrough()
    const terminal = createTerminal({ stdin: new PassThrough(), stdout: new PassThrough(), stderr, env: {} })
    expect(await askElicitation(terminal, formOf({}), { server: 'files' })).toEqual({ action: 'cancel' })
    expect(String(stderr.read())).toBe('files asks for information ("Tell me more."), but nobody can answer here: this is no terminal. It was told "cancel". Run the command in a terminal to answer.\n')
  })

  it('is cancelled where it asks for what no form may', async () => {
    const { ask, waitFor } = person()
    expect(await ask(formOf({ a: { type: 'object' } }, ['a']))).toEqual({ action: 'cancel' })
    await waitFor('no form can show ("a")')
    expect(await ask({ message: 'x' })).toEqual({ action: 'cancel' })
  })
})

describe('a page to visit', () => {
  const visit = (url: string): unknown => ({ mode: 'url', message: 'Please confirm.', url })

  it('is shown whole with its host, and opened after consent only', async () => {
    const opened: string[] = []
    const { ask, waitFor, press } = person()
    const answer = ask(visit('https://example.com/confirm?x=1'), { openUrl: async (href) => void opened.push(href) })
    const shown = await waitFor('Visit it?')
    expect(shown).toContain('files asks you to visit a page')
    expect(shown).toContain('\nhttps://example.com/confirm?x=1\n')
    expect(shown).toContain('Host: example.com')
    expect(shown).not.toContain('Warning')
    expect(opened).toEqual([])
    press('down', 'enter')
    expect(await answer).toEqual({ action: 'accept' })
    expect(opened).toEqual(['https://example.com/confirm?x=1'])
  })

  it('is shown whole on a narrow terminal too', async () => {
    const { ask, waitFor, press, screen } = person(40)
    const url = `https://example.com/${'a'.repeat(60)}?end`
    const answer = ask(visit(url))
    await waitFor('Visit it?')
    expect(screen.lines().slice(screen.lines().indexOf('https://example.com/aaaaaaaaaaaaaaaaaaa')).slice(0, 3).join('')).toBe(url)
    press('escape')
    expect(await answer).toEqual({ action: 'cancel' })
  })

  it('is declined by a careless Enter and by Ctrl-D, cancelled by Esc, and visited by oneself without a browser', async () => {
    for (const [keys, action] of [[['enter'], 'decline'], [['ctrl-d'], 'decline'], [['escape'], 'cancel'], [['up', 'enter'], 'accept']] as const) {
      const { ask, waitFor, press } = person()
      const answer = ask(visit('https://example.com/'), { openUrl: () => Promise.reject(new Error('opened')) })
      await waitFor('Visit it?')
      press(...keys)
      expect(await answer).toEqual({ action })
    }
  })

  it('asks whether it was visited where no browser can be opened', async () => {
    const { ask, waitFor, press } = person()
    const answer = ask(visit('https://example.com/'), { openUrl: () => Promise.reject(new Error('no xdg-open')) })
    await waitFor('Visit it?')
    press('down', 'enter')
    await waitFor('Have you opened it?')
    press('enter')
    expect(await answer).toEqual({ action: 'accept' })
  })

  it('is never opened where it is no web page', async () => {
    const { ask, waitFor, press } = person()
    const answer = ask(visit('file:///etc/passwd'), { openUrl: () => Promise.reject(new Error('opened')) })
    const shown = await waitFor('Visit it?')
    expect(shown).toContain('It is not a web page (file:)')
    expect(shown).not.toContain('Open it in the browser')
    press('escape')
    expect(await answer).toEqual({ action: 'cancel' })
    expect(await ask(visit('not a url'))).toEqual({ action: 'cancel' })
  })
})
