import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createVirtualKeyboard, createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { askSampling } from './sampling.ts'
import type { SamplingAnswer } from './sampling.ts'
import { createTerminal } from './terminal.ts'

function person() {
  const screen = createVirtualScreen(80, 40)
  const keyboard = createVirtualKeyboard(screen)
  const terminal = createTerminal({ stdin: keyboard.stdin, stdout: new PassThrough(), stderr: screen.stream, env: { TERM: 'xterm-256color', NO_COLOR: '1' } })
  const ask = (params: unknown, signal?: AbortSignal): Promise<SamplingAnswer> => askSampling(terminal, params, { server: 'files', ...(signal !== undefined && { signal }) })
  return { ...keyboard, screen, ask }
}

const REQUEST = {
  messages: [
    { role: 'user', content: { type: 'text', text: 'What is the capital of France?' } },
    { role: 'assistant', content: [{ type: 'tool_use', id: '1', name: 'atlas', input: { q: 'France' } }, { type: 'image', data: 'AAAA', mimeType: 'image/png' }] },
  ],
  systemPrompt: 'Be short.',
  maxTokens: 100,
  temperature: 0.5,
  stopSequences: ['END'],
  modelPreferences: { hints: [{ name: 'small' }], speedPriority: 1 },
  includeContext: 'thisServer',
  tools: [{ name: 'atlas', description: 'Looks it up.\nSlowly.', inputSchema: { type: 'object' } }],
  toolChoice: { mode: 'required' },
}

describe('a request for a message of a model', () => {
  it('is shown with all that a model would get', async () => {
    const { ask, waitFor, press } = person()
    const answer = ask(REQUEST)
    const shown = await waitFor('Your answer')
    for (const part of [
      'files asks for a message of a model', 'System prompt:\n│  Be short.', 'user:\n│  What is the capital of France?', 'assistant:\n│  calls atlas with {"q":"France"}',
      '(image of image/png, not shown here)', 'Tools that a model could call (required):\n│    atlas: Looks it up.',
      'at most 100 tokens · temperature 0.5 · stops at "END"', 'model like small', 'wants context: thisServer',
    ]) expect(shown).toContain(part)
    press('escape')
    expect(await answer).toEqual({ action: 'cancel' })
  })

  it('is answered in several lines, reviewed and sent', async () => {
    const { ask, waitFor, type, press } = person()
    const answer = ask(REQUEST)
    await waitFor('Your answer')
    type('It is')
    press('enter')
    type('Paris.')
    await waitFor('Paris.')
    press('ctrl-d')
    await waitFor('Send it?')
    press('enter')
    expect(await answer).toEqual({
      action: 'accept', result: { role: 'assistant', model: 'human', stopReason: 'endTurn', content: { type: 'text', text: 'It is\nParis.' } },
    })
  })

  it('is ended with Tab and Enter too, edited, and declined at the end', async () => {
    const { ask, waitFor, type, press } = person()
    const answer = ask(REQUEST)
    await waitFor('Your answer')
    type('x')
    press('tab')
    press('enter')
    await waitFor('Send it?')
    press('down', 'enter')
    await waitFor(/Send it\?[^]*Your answer/)
    type('y')
    await waitFor('xy')
    press('tab')
    press('ctrl-d')
    await waitFor(/Send it\?[^]*Send it\?/)
    press('up', 'enter')
    expect(await answer).toEqual({ action: 'decline' })
  })

  it('is not answered with nothing', async () => {
    const { ask, waitFor, press } = person()
    const answer = ask(REQUEST)
    await waitFor('Your answer')
    press('ctrl-d')
    await waitFor('An answer is required')
    press('ctrl-c')
    expect(await answer).toEqual({ action: 'cancel' })
  })

  it('is cancelled when it is taken back', async () => {
    const { ask, waitFor } = person()
    const controller = new AbortController()
    const answer = ask(REQUEST, controller.signal)
    await waitFor('Your answer')
    controller.abort()
    expect(await answer).toEqual({ action: 'cancel' })
  })
})
