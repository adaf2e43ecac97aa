/**
 * URL mode of elicitation: the whole URL is shown with its host marked and what is odd about it; it is opened after consent
 * only, in the browser of the system, and never looked at by Portolan.
 */

import { KEYS_HELP } from './dialog.ts'
import type { Dialog } from './dialog.ts'
import type { ElicitAnswer } from './form.ts'
import { safeName } from './safe-text.ts'
import type { Screen, Terminal } from './terminal.ts'
import { foldText } from './text-width.ts'
import { checkUrl } from './url-check.ts'
import type { UrlCheck } from './url-check.ts'

/** Rejects where no browser could be started. */
export type OpenUrl = (href: string) => Promise<void>

export interface Visit {
  readonly server: string
  readonly message: string
  readonly url: string
  readonly openUrl?: OpenUrl
}

/** `accept` is consent, not completion: what happens on the page is between the person and the server. */
export async function askVisit(terminal: Terminal, dialog: Dialog, visit: Visit): Promise<ElicitAnswer> {
  const { server, message, url } = visit
  dialog.title(`${server} asks you to visit a page`)
  if (message !== '') dialog.say(message)
  const check = checkUrl(url)
  if (!check.ok) {
    dialog.say(`It gave no address that can be visited: ${safeName(url)}. It was told "cancel".`, 'yellow')
    return { action: 'cancel' }
  }
  showUrl(terminal.err, check)
  dialog.say(`\nHost: ${check.parts[1] === '' ? 'none' : safeName(check.parts[1])}`)
  for (const warning of check.warnings) dialog.say(`Warning: ${warning}`, 'yellow')
  dialog.say(`What you do there is between you and that page. ${KEYS_HELP}`, 'dim')
  // What opens nothing stands first: a careless Enter must not be consent.
  const reply = await dialog.one<'decline' | 'open' | 'self'>('Visit it?', [
    { value: 'decline', label: 'Decline', hint: 'tells the server no' },
    ...(check.canOpen ? [{ value: 'open' as const, label: 'Open it in the browser' }] : []),
    { value: 'self', label: 'I visit it by myself', hint: 'nothing is opened' },
  ])
  if (reply.action !== 'accept') return reply
  if (reply.value === 'decline') return { action: 'decline' }
  if (reply.value === 'self') return { action: 'accept' }
  try {
    await (visit.openUrl ?? openInBrowser)(check.href)
    return { action: 'accept' }
  } catch (error) {
    dialog.say(`No browser could be opened (${error instanceof Error ? error.message : String(error)}). Copy the address above into one.`, 'yellow')
    const visited = await dialog.one('Have you opened it?', [{ value: true, label: 'Yes' }, { value: false, label: 'No, decline' }])
    if (visited.action !== 'accept') return visited
    return { action: visited.value ? 'accept' : 'decline' }
  }
}

/** The whole of it, without guides beside it so that it can be copied; long ones over several lines, the host marked in the first. */
function showUrl(err: Screen, { parts: [before, host, after] }: UrlCheck & { readonly ok: true }): void {
  const [head, middle, tail] = [safeName(before), safeName(host), safeName(after)]
  const [first = '', ...more] = foldText(head + middle + tail, err.width() - 1)
  const isMarked = first.startsWith(head + middle)
  const marked = isMarked ? head + err.paint(['bold', 'underline'], middle) + first.slice(head.length + middle.length) : first
  err.stream.write(['', marked, ...more, ''].join('\n'))
}

async function openInBrowser(href: string): Promise<void> {
  const { default: open } = await import('open')
  await open(href)
}
